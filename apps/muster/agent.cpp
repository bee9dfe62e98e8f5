#include "agent_settings.hpp"
#include "exec_work.hpp"
#include "member_process.hpp"
#include "verbs.hpp"

namespace muster::cli {
namespace {

launch command_for(const std::string& exec,
                   const std::string& member,
                   const cluster::right::identity& what) {
    launch made;
    made.command = {"/bin/sh", "-c", exec};
    made.environment = {"MUSTER_RESOURCE=" + what.resource,
                        "MUSTER_PARTITION=" + what.partition,
                        "MUSTER_FENCE=" + std::to_string(what.fence.value()),
                        "MUSTER_MEMBER=" + member};
    if (what.slot > 0) {
        made.environment.push_back("MUSTER_REPLICA=" + std::to_string(what.slot));
    }
    made.prefix = what.resource + "/" + what.partition + " ";
    return made;
}

std::unique_ptr<work> work_for(member_process& process,
                               const std::string& exec,
                               const std::string& member) {
    if (exec.empty()) {
        return std::make_unique<idle_work>();
    }
    return std::make_unique<exec_work>(
        process.control(),
        process.wardens(),
        exec_work::hooks{
            .command =
                [exec, member](const cluster::right::identity& what) {
                    return command_for(exec, member, what);
                },
            .failed =
                [&process](const cluster::right::identity& what) {
                    process.member()->handler_failed(what);
                },
            .ended = [](const cluster::right::identity&, const run_end&) { return false; },
            .cannot_start = {},
            .log =
                [&process](std::string_view event, const std::string& text) {
                    process.log().write(verbosity::warning, event, text);
                }});
}

}  // namespace

exit_code run_agent(const given& words, context& at) {
    auto told = agent_settings_of(words, at.common);
    if (!told) {
        return complain(at, told.error());
    }
    member_process process{at};
    const std::string name = told->member.self.name;
    return process.run(
        {.member = std::move(told->member),
         .resource = told->resource,
         .spec = told->spec,
         .stands_for = {},
         .journal = told->journal},
        [&process, exec = told->exec, name] { return work_for(process, exec, name); },
        {},
        [](int) { return exit_code::done; });
}

}  // namespace muster::cli
