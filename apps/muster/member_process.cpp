#include "member_process.hpp"

#include <unistd.h>

#include <sstream>
#include <utility>

namespace muster::cli {
namespace {

constexpr duration leave_deadline = 25s;
/// The journal's first line waits this long for a session, to name its id and timeout.
constexpr duration start_patience = 1s;

}  // namespace

member_process::member_process(context& at)
    : at_{at}, log_{at}, control_{at.ground->make_loop("control")} {}

member_process::~member_process() {
    control_->stop();
    wardens_.reset();
    book_.reset();
}

warden_pool& member_process::wardens() {
    if (!wardens_) {
        wardens_ = std::make_unique<warden_pool>(
            line_sink{.write = [this](std::string_view lines) { log_.raw(lines); },
                      .has_room = [this] { return log_.has_room(); }});
    }
    return *wardens_;
}

exit_code member_process::run(member_plan plan,
                              std::function<std::unique_ptr<work>()> make_work,
                              std::function<void(const cluster::right::identity&, bool, bool)> told,
                              std::function<exit_code(int)> on_signal) {
    auto book = journal::open(plan.journal, at_.ground);
    if (!book) {
        return complain(at_, book.error());
    }
    book_ = std::move(*book);
    control_->post(
        [this,
         plan = std::move(plan),
         make_work = std::move(make_work),
         told = std::move(told)]() mutable { begin(std::move(plan), make_work, std::move(told)); });
    bool signalled = false;
    while (!finished_) {
        const auto signal = signals_.wait();
        if (!signal) {
            continue;
        }
        if (std::exchange(signalled, true)) {
            // Wardens take the end of this process as the order to kill.
            ::_exit(static_cast<int>(exit_code::interrupted));
        }
        const exit_code code = on_signal(*signal);
        control_->post([this, code] { leave(code); });
    }
    const std::shared_ptr<runtime::gate> cleared = at_.ground->make_gate();
    exit_code code{};
    control_->post([this, cleared, &code] {
        code = *leaving_;
        clear_up();
        cleared->open();
    });
    static_cast<void>(cleared->wait(never));
    if (why_) {
        std::ostringstream text;
        print_failure(text, *why_, at_.common.as == format::json, at_.err_colours);
        log_.raw(text.str());
    }
    return code;
}

void member_process::begin(member_plan plan,
                           const std::function<std::unique_ptr<work>()>& make_work,
                           std::function<void(const cluster::right::identity&, bool, bool)> told) {
    const auto asked = plan.member.session_timeout.value_or(std::chrono::milliseconds{0});
    plan.member.log = log_.sink();
    // For whoever finds the name taken: which process to look for.
    plan.member.self.metadata["host"] = at_.ground->host_name();
    plan.member.self.metadata["pid"] = std::to_string(at_.ground->process_number());
    host_ = std::make_shared<agent_host>(
        control_,
        plan.member.self.name,
        at_.ground,
        *book_,
        agent_host::hooks{
            .give_up = [this](const failure& what) { give_up(what); },
            .log = [this](verbosity level,
                          std::string_view event,
                          const std::string& text) { log_.write(level, event, text); },
            .told = std::move(told)});
    body_ = make_work();
    member_ = cluster::member::start(
        control_, std::move(plan.member), host_, [ground = at_.ground](task_fn job) {
            ground->run_blocking(std::move(job));
        });
    host_->attach(*member_,
                  *body_,
                  plan.spec.release_deadline,
                  plan.spec.kind == cluster::resource_kind::hash);
    member_->serve(plan.resource, plan.spec, host_);
    if (!plan.stands_for.empty()) {
        member_->stand_for(plan.stands_for);
    }
    start_timer_ = control_->make_timer();
    start_timer_->set(control_->now() + start_patience,
                      [this, asked] { host_->begin_journal(asked); });
}

void member_process::give_up(failure what) {
    control_->post([this, what = std::move(what)] {
        if (!leaving_) {
            why_ = what;
            leave(exit_of(what));
        }
    });
}

void member_process::leave(exit_code code) {
    if (leaving_) {
        return;
    }
    leaving_ = code;
    log_.write(verbosity::info, "member.leaving", "hands over and leaves");
    member_->leave(control_->now() + leave_deadline,
                   [this](const result<void>& how) { left(how); });
}

void member_process::left(const result<void>& how) {
    if (!how && how.error().code == errc::timed_out && *leaving_ == exit_code::done) {
        leaving_ = exit_code::no;
        why_ = failure{.code = "MUS0104",
                       .message = "not everything was handed over within 25 s: " + how.error().text,
                       .facts = {},
                       .hint = "muster status shows what became of it"};
    } else if (!how) {
        log_.write(verbosity::warning, "member.left", how.error().text);
    }
    host_->end_journal([this] {
        finished_ = true;
        signals_.wake();
    });
}

/// On the control loop: nothing of it may be destroyed elsewhere.
void member_process::clear_up() {
    start_timer_.reset();
    host_->detach();
    member_.reset();
    body_.reset();
    host_.reset();
}

}  // namespace muster::cli
