#include "node/node_core.hpp"

#include "base/strand_scope.hpp"
#include "cluster/codec.hpp"
#include "cluster/plan/rules.hpp"
#include "node/envelope.hpp"
#include "node/global_wire.hpp"
#include "node/settings.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace muster::detail {
namespace {

constexpr duration hook_patience = 5s;  ///< of a node that ends, before it says whom it waits for
constexpr duration look_again = 5ms;
constexpr duration last_words = 100ms;

severity severity_of(cluster::log_level level) {
    return static_cast<severity>(static_cast<std::uint8_t>(level));
}

}  // namespace

node_core::node_core(config settings,
                     application program,
                     std::shared_ptr<machine> on,
                     muster::node& home)
    : settings_{std::move(settings)},
      program_{std::move(program)},
      platform_{std::move(on->platform)},
      home_{&home},
      name_{settings_.name},
      resources_{std::make_shared<const resource_map>()},
      wishes_{std::make_shared<const wish_map>()},
      view_{std::make_shared<const view>()},
      self_{std::make_shared<const member_id>()},
      lives_{std::make_shared<life_book>()},
      jobs_{std::make_shared<blocking_jobs>(platform_)} {
    if (name_.empty()) {
        name_ = platform_->host_name() + "-" + std::to_string(platform_->process_number());
        settings_.name = name_;
    }
    log_ = std::make_shared<log_queue>(
        platform_, name_, [this](const log_line& line) { write_log(line); });
    make_workers();
}

node_core::~node_core() = default;

void node_core::say(severity level, std::string_view event, std::string_view text) const {
    if (program_.log || level >= severity::warning) {
        log_->add(level, std::string{event}, std::string{text});
    }
}

/// Whoever writes the log must not be able to end the node by it.
void node_core::write_log(const log_line& line) const {
    if (!program_.log) {
        const std::string all = "muster: " + name_ + ": " + std::string{line.event} + ": " +
                                std::string{line.text} + "\n";
        std::fwrite(all.data(), 1, all.size(), stderr);
        return;
    }
    try {
        program_.log(line);
    } catch (...) {
        std::fputs("muster: application.log threw; the line is lost\n", stderr);
    }
}

void node_core::on_control(task_fn job) {
    control_->post([self = shared_from_this(), job = std::move(job)]() mutable {
        if (!self->stopped_.load()) {
            job();
        }
    });
}

// --- Start and end -------------------------------------------------------------------------------

result<void> node_core::start() {
    if (stopped_.load()) {
        return fail(errc::closed, "this node has left; make another one");
    }
    if (started_.exchange(true)) {
        return fail(errc::conflict, "this node has been started already");
    }
    auto how = start_all();
    if (!how) {
        if (control_) {
            control_->stop();
            control_.reset();
        }
        started_.store(false);  // With the cause removed it may be tried again.
    }
    return how;
}

result<void> node_core::start_all() {
    auto wanted = settings_for_member(settings_, program_);
    if (!wanted) {
        return std::unexpected(wanted.error());
    }
    for (const auto& [name, how] : *wishes_.read()) {
        if (auto bad = check_resource(name, how)) {
            return std::unexpected(std::move(*bad));
        }
    }
    control_ = platform_->make_loop("muster-control");
    open_seats();
    worker_seen_.assign(workers_.size(), platform_->now());
    worker_asked_.assign(workers_.size(), false);
    hooks_ = std::make_shared<hook_queue>(jobs_, control_);
    if (auto listening = start_mesh(*wanted); !listening) {
        return listening;
    }
    wanted->self.address = mesh_address();
    wanted->self.life = processes_->life();
    wanted->log = [weak = weak_from_this()](
                      cluster::log_level level, std::string_view event, const std::string& text) {
        if (const auto self = weak.lock()) {
            self->say(severity_of(level), event, text);
        }
    };
    names_->attach(control_, wanted->self.address, [this](std::set<std::string> paths) {
        if (member_) {
            member_->publish(std::move(paths));
        }
    });
    running_.store(true);
    say(severity::info,
        "node.started",
        "cluster '" + settings_.cluster + "', member '" + name_ + "', reached at " +
            wanted->self.address + ", ZooKeeper at " + settings_.zookeeper);
    on_control([this, wanted = std::move(*wanted)]() mutable {
        member_ = cluster::member::start(
            control_, std::move(wanted), shared_from_this(), [jobs = jobs_](task_fn job) {
                jobs->run(lane::aside, std::move(job));
            });
        for (const auto& [name, host] : *resources_.read()) {
            join(name, host);
        }
        names_->publish_own();
        watch_health();
    });
    return {};
}

void node_core::stop_loops() {
    if (control_) {
        control_->stop();
    }
    for (const auto& worker : workers_) {
        worker->stop();
    }
}

result<void> node_core::start_mesh(const cluster::member_settings& wanted) {
    mesh::settings how;
    processes_->prepare(how);
    how.cluster = settings_.cluster;
    how.key = "";  // Read when it joins.
    auto at = listen_address(settings_, wanted.servers);
    if (!at) {
        return std::unexpected(at.error());
    }
    how.listen = *at;
    auto made =
        mesh::mesh::start(platform_, workers_, how, [weak = weak_from_this()](mesh::incoming what) {
            if (const auto self = weak.lock(); self && !self->stopped_.load()) {
                self->asked(std::move(what));
            } else {
                what.answer.reply(encode(
                    ask_answer{.how = ask_end::not_owner, .body = {}, .code = 0, .text = {}}));
            }
        });
    if (!made) {
        return fail(made.error().code,
                    "the mesh cannot listen at " + how.listen.text() + ": " + made.error().text +
                        "; choose another address with `listen`");
    }
    mesh_ = std::move(*made);
    life_book::attach(lives_, *processes_, *mesh_);
    return {};
}

void node_core::leave(callback<result<void>> done) {
    if (!running_.load()) {
        done(fail(errc::closed, "the node was never started"));
        return;
    }
    on_control([this, done = std::move(done)]() mutable {
        leave_by(control_->now() + settings_.drain_deadline, std::move(done));
    });
}

void node_core::leave_by(instant deadline, callback<result<void>> done) {
    if (left_ || !member_) {
        done(left_.value_or(result<void>{}));
        return;
    }
    leave_waiters_.push_back(std::move(done));
    if (std::exchange(leaving_, true)) {
        return;
    }
    member_->leave(deadline, [self = shared_from_this()](const result<void>& how) {
        self->left_ = how;
        for (auto& one : std::exchange(self->leave_waiters_, {})) {
            one(how);
        }
    });
}

void node_core::shut(std::chrono::milliseconds patience) {
    if (!running_.load()) {
        stopped_.store(true);
        resources_.replace(std::make_shared<const resource_map>());
        stop_processes();
        processes_.reset();
        stop_loops();
        end_globals();
        log_->finish();
        return;
    }
    // What is still owned ends now: the session is closed, within the patience given.
    const std::shared_ptr<runtime::gate> closed = platform_->make_gate();
    on_control([this, patience, closed] {
        leave_by(control_->now() + patience, [closed](const result<void>&) { closed->open(); });
    });
    closed->wait(platform_->now() + patience + 500ms);
    ending_.store(true);
    stop_processes();
    await_handlers();
    const std::shared_ptr<runtime::gate> quiet = platform_->make_gate();
    on_control([this, quiet] {
        health_timer_.reset();
        names_->detach();
        leave_waiters_.clear();
        if (leading_) {
            leadership(false, epoch_);
        }
        close_seats();
        hooks_->finish([quiet] { quiet->open(); });
    });
    // No hook and no code of a partition may run after this, however long it takes.
    if (!quiet->wait(platform_->now() + hook_patience) ||
        !jobs_->wait_idle(platform_->now() + hook_patience)) {
        say(severity::warning,
            "node.waits",
            "a hook, or a partition's constructor or destructor, has not returned yet: this node "
            "cannot end before it does");
        static_cast<void>(quiet->wait(never));
        static_cast<void>(jobs_->wait_idle(never));
    }
    if (mesh_->count().connections > 0) {
        // Whoever has not read yet that others own it now hears so, instead of nothing.
        static_cast<void>(platform_->make_gate()->wait(platform_->now() + last_words));
    }
    stopped_.store(true);
    processes_->detach();
    mesh_->stop();
    processes_.reset();
    stop_loops();
    mesh_->drop();
    // Where the control loop could not do it any more; the member holds this core.
    health_timer_.reset();
    names_->detach();
    close_seats();
    member_.reset();
    const auto all = resources_.read();
    for (const auto& [name, host] : *all) {
        host->shut();
    }
    // They hold this core, as their answers need it; what the user still holds answers `closed`.
    resources_.replace(std::make_shared<const resource_map>());
    end_globals();
    log_->finish();
}

/// Until then the member goes on: at the lease end it says which handler has not stopped, and the
/// process ends where that is what the resource wants.
void node_core::await_handlers() {
    bool told = false;
    for (;;) {
        const std::shared_ptr<runtime::gate> asked = platform_->make_gate();
        const auto holds = std::make_shared<std::atomic<bool>>(false);
        on_control([this, asked, holds] {
            holds->store(member_ && member_->holds_anything());
            asked->open();
        });
        if (!asked->wait(platform_->now() + hook_patience) || !holds->load()) {
            return;
        }
        if (!std::exchange(told, true)) {
            say(severity::warning,
                "node.waits",
                "a handler, or a guard of an effect, has not ended yet: this node cannot end "
                "before it does");
        }
        static_cast<void>(platform_->make_gate()->wait(platform_->now() + look_again));
    }
}

std::string node_core::mesh_address() const {
    return settings_.advertise.empty() ? mesh_->local().text() : settings_.advertise;
}

std::string node_core::address() const {
    return running_.load() ? mesh_address() : "";
}

// --- Resources -----------------------------------------------------------------------------------

std::pair<std::shared_ptr<resource_host>, bool> node_core::host_for(const std::string& name) {
    return find_or_make(resources_, name, [&] {
        return name == globals_resource ? globals_->seats()
                                        : std::make_shared<resource_host>(name, shared_from_this());
    });
}

std::shared_ptr<const cell_setting> node_core::setting_of(const served& how) {
    auto setting = std::make_shared<cell_setting>();
    setting->platform = platform_;
    setting->offload = [jobs = jobs_](task_fn job) { jobs->run(lane::work, std::move(job)); };
    setting->offload_end = [jobs = jobs_](task_fn job) { jobs->run(lane::aside, std::move(job)); };
    setting->make = how.make;
    setting->prepare = how.prepare;
    setting->home = [home = home_]() -> muster::node& { return *home; };
    setting->say = [weak = weak_from_this()](
                       severity level, std::string_view event, const std::string& text) {
        if (const auto self = weak.lock()) {
            self->say(level, event, text);
        }
    };
    setting->serve_stale = how.options.when_stranded == when_stranded::serve_stale;
    setting->may_be_left_running = how.options.effects != effects::unfenced;
    setting->acquire_deadline = how.options.acquire_deadline;
    setting->release_deadline = how.options.release_deadline;
    return setting;
}

std::shared_ptr<resource_core> node_core::serve(std::string name, served how) {
    const auto host = host_for(name).first;
    host->serve(setting_of(how));
    const auto bad = check_resource(name, how);
    if (bad) {
        host->in_trouble(*bad);
        say(severity::error, "resource.invalid", bad->text);
    }
    wishes_.change([&](wish_map& all) { all.insert_or_assign(name, std::move(how)); });
    if (running_.load() && !bad) {
        on_control([this, name, host] { join(name, host); });
    }
    return host;
}

std::shared_ptr<resource_core> node_core::use(std::string name) {
    const auto found = host_for(name);
    if (found.second && running_.load()) {
        on_control([this, name, host = found.first] { join(name, host); });
    }
    return found.first;
}

void node_core::join(const std::string& name, const std::shared_ptr<resource_host>& host) {
    if (!member_) {
        return;  // Taken up when it starts.
    }
    if (name == cluster::leader_resource) {
        return;  // No resource: who owns it the view says.
    }
    const auto wishes = wishes_.read();
    const auto wish = wishes->find(name);
    if (wish == wishes->end()) {
        if (name == globals_resource) {
            serve_globals();
        }
        member_->follow(name);  // Where it is not served.
        return;
    }
    std::optional<planner> choose;
    if (wish->second.options.planner) {
        choose = wish->second.options.planner;
    }
    member_->serve(name, specification_of(wish->second), host, std::move(choose));
}

void node_core::change_list(const std::string& resource,
                            const std::string& partition,
                            bool add,
                            instant deadline,
                            callback<result<void>> done) {
    if (stopped_.load() || !running_.load()) {
        done(stopped_.load() ? fail(errc::closed, "this node has left")
                             : fail(errc::unavailable, "the node has not been started"));
        return;
    }
    on_control([this, resource, partition, add, deadline, done = std::move(done)]() mutable {
        if (!member_) {
            done(fail(errc::closed, "this node is leaving"));
            return;
        }
        member_->change_list(resource, partition, add, deadline, std::move(done));
    });
}

/// What a job asks for ends with the call that it works for. Dropped, it answers `closed`.
void node_core::run_blocking(std::move_only_function<void()> job) {
    if (!ending_.load()) {
        jobs_->run(lane::work,
                   [job = std::move(job), until = strand_scope::current_deadline()] mutable {
                       const std::shared_ptr<strand> none;
                       const strand_scope scope{none, until};
                       job();
                       job = nullptr;
                   });
    }
}

/// A question of another member: on the worker that read it.
void node_core::asked(mesh::incoming what) {
    if (processes_->take_request(what)) {
        return;
    }
    auto envelope = decode<ask_envelope>(what.body);
    if (!envelope) {
        what.answer.fail(envelope.error());
        return;
    }
    auto reply = std::make_shared<mesh::responder>(std::move(what.answer));
    partition_call one{.type = std::move(envelope->type),
                       .body = std::move(envelope->body),
                       .fence = envelope->fence,
                       .from = what.from,
                       .deadline = what.deadline,
                       .answer = [reply](const ask_answer& got) { reply->reply(encode(got)); }};
    const auto known = resources_.read();
    const auto found = known->find(envelope->resource);
    if (found == known->end()) {
        one.answer({.how = ask_end::not_owner, .body = {}, .code = 0, .text = {}});
        return;
    }
    found->second->incoming(envelope->partition, std::move(one));
}

// --- What the member tells -----------------------------------------------------------------------

void node_core::became(member_id id, std::chrono::milliseconds session_timeout) {
    static_cast<void>(session_timeout);
    self_.replace(std::make_shared<const member_id>(id));
}

void node_core::cluster_key(std::string key) {
    mesh_->set_key(std::move(key));
    mesh_->become(*self_.read());  // Nobody is let in before it is known by which key.
}

void node_core::stepped(cluster::lifecycle from, cluster::lifecycle to) {
    state_.store(state_of(to));
    say(to == cluster::lifecycle::stranded ? severity::warning : severity::info,
        "member.state",
        std::string{cluster::name_of(from)} + " -> " + std::string{cluster::name_of(to)});
}

void node_core::view_changed(std::shared_ptr<const cluster::view_snapshot> now) {
    // First: whoever is seen or found can be reached.
    const bool others = lives_->learn(*now, *processes_);
    view_.replace(std::make_shared<const view>(public_view(*now)));
    if (others) {
        names_->lives_changed();
    }
    view_seen_ = now;
    leader_seen(*now);
    for (const auto& [name, host] : *resources_.read()) {
        host->view_read();  // The address of an owner may have been what they lacked.
    }
}

void node_core::plan_changed(std::shared_ptr<const cluster::plan_snapshot> now) {
    const auto known = resources_.read();
    if (const auto found = known->find(now->resource()); found != known->end()) {
        found->second->plan_read(now);
    }
    if (now->resource() == globals_resource) {
        globals_->plan_read();
    }
}

void node_core::add_hook(const char* name, task_fn hook) {
    hooks_->add([self = shared_from_this(), name, hook = std::move(hook)]() mutable {
        try {
            hook();
        } catch (...) {
            self->say(severity::error,
                      "hook.threw",
                      std::string{name} + ": " + escaped(std::current_exception()).text);
        }
    });
}

void node_core::leadership(bool gained, leader_epoch epoch) {
    leading_ = gained;
    epoch_ = epoch;
    if (program_.leadership_changed && !stopped_.load()) {
        add_hook("leadership_changed", [this, now = muster::leadership{gained, epoch}] {
            program_.leadership_changed(now);
        });
    }
}

void node_core::initialize(std::vector<cluster::right::identity> first,
                           callback<result<void>> done) {
    if (!program_.init) {
        done({});
        return;
    }
    initial what;
    for (auto& one : first) {
        what.partitions.push_back({one.resource, one.partition, one.slot});
    }
    hooks_->add(
        [self = shared_from_this(), what = std::move(what), done = std::move(done)]() mutable {
            result<void> how;
            try {
                how = self->program_.init(what);
            } catch (...) {
                how = std::unexpected(escaped(std::current_exception()));
            }
            done(how);
        });
}

void node_core::failed(const error& why) {
    say(severity::error, "member.failed", why.text);
    if (tell_failed_) {
        tell_failed_(why);
    }
}

void node_core::resource_trouble(const std::string& resource, const error& why) {
    say(severity::error, "resource.refused", resource + ": " + why.text);
    const auto known = resources_.read();
    if (const auto found = known->find(resource); found != known->end()) {
        found->second->in_trouble(why);
    }
}

void node_core::stuck(const cluster::right::identity& what) {
    const std::string text = what.resource + "/" + what.partition + " (fence " +
                             std::to_string(what.fence.value()) +
                             "): its handler has not stopped, and the lease has ended";
    if (policy_of(what) == on_stuck::fence) {
        say(severity::error, "partition.stuck", text + "; its answers are thrown away");
        stuck_.emplace(what.resource + "/" + what.partition, what.fence);
        check_workers();
        return;
    }
    say(severity::error, "partition.stuck", text + "; ending the process (on_stuck = abort)");
    platform_->abort_process(text);
}

}  // namespace muster::detail
