#include "agent_settings.hpp"
#include "exec_work.hpp"
#include "member_process.hpp"
#include "verbs.hpp"

#include <csignal>
#include <optional>
#include <utility>

namespace muster::cli {
namespace {

/// What `elect` decides as things happen. Control loop only.
class election {
public:
    election(member_process& process, context& at, const given& words)
        : process_{process},
          at_{at},
          name_{words.arguments[0]},
          command_{words.rest},
          once_{words.has("--once")},
          limited_{at.common.timeout.origin.ends_with("on the command line")} {}

    election(const election&) = delete;
    election& operator=(const election&) = delete;
    /// A timer ends on its loop.
    ~election() {
        const std::shared_ptr<runtime::gate> gone = at_.ground->make_gate();
        process_.control()->post([this, gone] {
            timer_.reset();
            gone->open();
        });
        static_cast<void>(gone->wait(never));
    }

    std::unique_ptr<work> make_work(const std::string& member) {
        if (limited_) {
            timer_ = process_.control()->make_timer();
            timer_->set(process_.control()->now() + at_.common.timeout.value, [this] { late(); });
        }
        return std::make_unique<exec_work>(
            process_.control(),
            process_.wardens(),
            exec_work::hooks{
                .command =
                    [this, member](const cluster::right::identity& what) {
                        return launch{
                            .command = command_,
                            .environment = {"MUSTER_NAME=" + name_,
                                            "MUSTER_FENCE=" + std::to_string(what.fence.value()),
                                            "MUSTER_MEMBER=" + member},
                            .prefix = {},
                            .captured = false};
                    },
                .failed =
                    [this](const cluster::right::identity&) {
                        own_failure("its lease was not extended in time, again and again");
                    },
                .ended =
                    [this](const cluster::right::identity&, const run_end& how) {
                        ended(how);
                        // Killed because no extension came through, with the right still ours in
                        // the end: as after a right that was lost and won again.
                        return how.cause != end_cause::told;
                    },
                .cannot_start = [this](const error& why) { own_failure(why.text); },
                .log =
                    [this](std::string_view event, const std::string& text) {
                        process_.log().write(verbosity::info, event, text);
                    }});
    }

    /// The right was taken up, or has ended.
    void told(bool held) {
        if (held) {
            timer_.reset();
            process_.log().write(verbosity::info, "elected", name_);
        }
    }

    void signalled() { ended_ = true; }

private:
    void late() {
        process_.give_up(
            {.code = "MUS0205",
             .message = "'" + name_ + "' was not given to this member within --timeout",
             .facts = {},
             .hint = "muster partitions globals shows who has it"});
    }

    /// Whoever was told to end has lost the right, or is ended because we leave; any other end is
    /// the command's own, also where the right is lost by the time that we hear of it.
    void ended(const run_end& how) {
        if (how.cause == end_cause::lost) {
            own_failure(how.text());
        } else if (how.cause == end_cause::itself) {
            ended_ = true;
            process_.leave(static_cast<exit_code>(how.exit_code()));
        } else if (once_ && !std::exchange(ended_, true)) {
            process_.give_up({.code = "MUS0103",
                              .message = "lost '" + name_ + "' while the command ran",
                              .facts = {},
                              .hint = "start it again to stand again"});
        }
    }

    void own_failure(const std::string& why) {
        if (!std::exchange(ended_, true)) {
            process_.give_up({.code = "MUS0702",
                              .message = "'" + name_ +
                                         "' is this member's, but its command cannot "
                                         "be run: " +
                                         why,
                              .facts = {},
                              .hint = "another member can be elected; muster help MUS0702"});
        }
    }

    member_process& process_;
    context& at_;
    std::string name_;
    std::vector<std::string> command_;
    bool once_;
    bool limited_;  ///< --timeout was given
    bool ended_ = false;
    std::unique_ptr<runtime::timer> timer_;
};

}  // namespace

exit_code run_elect(const given& words, context& at) {
    const std::string name = words.text("--name").value_or(
        at.ground->host_name() + "-" + std::to_string(at.ground->process_number()));
    auto member = member_settings_of(words, at.common, name);
    if (!member) {
        return complain(at, member.error());
    }
    cluster::specification spec;
    spec.kind = cluster::resource_kind::list;
    member_process process{at};
    election run{process, at, words};
    return process.run(
        {.member = std::move(*member),
         .resource = "globals",
         .spec = spec,
         .stands_for = {words.arguments[0]},
         .journal = {}},
        [&run, name] { return run.make_work(name); },
        [&run](const cluster::right::identity&, bool held, bool) { run.told(held); },
        [&](int signal) {
            process.control()->post([&run] { run.signalled(); });
            return signal == SIGINT ? exit_code::interrupted : static_cast<exit_code>(128 + signal);
        });
}

}  // namespace muster::cli
