#include "errors.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>

namespace muster::cli {
namespace {

constexpr std::array table{
    known_error{"MUS0101",
                exit_code::no,
                "the cluster is not healthy",
                "`muster status` found partitions without an owner, partitions still moving, no "
                "leader, or no member. Its first line says which; `muster partitions R` lists "
                "them. A cluster that is starting, or has just lost a member, gets there by "
                "itself: repeat it, or use --watch."},
    known_error{"MUS0102",
                exit_code::no,
                "nobody leads the cluster",
                "No member stands for leader. Members that run elect one by themselves within a "
                "moment; without any member nobody leads."},
    known_error{"MUS0103",
                exit_code::no,
                "the right was lost while the command ran",
                "`muster elect --once` ended its command because its lease ended, or the plan gave "
                "the name to somebody else. Start it again to stand again."},
    known_error{"MUS0104",
                exit_code::no,
                "the member could not hand everything over",
                "The deadline of leaving (25 s) passed while partitions were still held. They were "
                "given up all the same; what did not stop in time is named in the log."},
    known_error{"MUS0105",
                exit_code::no,
                "the demo did not come to its end",
                "A step of `muster demo` took longer than it ever should, or one of its processes "
                "ended by itself. What the members said last is shown."},
    known_error{"MUS0106",
                exit_code::no,
                "what was asked says no",
                "The request or message reached code of the application, which refused it or "
                "failed; the message is what it said."},
    known_error{"MUS0107",
                exit_code::no,
                "the process has ended",
                "It was found, and had ended before the message reached it. Names are taken out a "
                "moment after their process ends: try again."},
    known_error{"MUS0203",
                exit_code::unreachable,
                "no ZooKeeper server answered",
                "Nothing that speaks ZooKeeper's protocol answered at any of the addresses before "
                "the deadline (--timeout). Check that a server runs there and that the port is "
                "right. To try things out, run `muster dev` in another terminal: it starts a "
                "server of its own on 127.0.0.1:2181. Where the address came from stands in the "
                "line `from`: a flag beats the environment (MUSTER_ZOOKEEPER), which beats "
                "./muster.toml, which beats the default 127.0.0.1:2181."},
    known_error{"MUS0204",
                exit_code::timed_out,
                "ZooKeeper did not answer in time",
                "A server was reached, but what was asked of it had not arrived when --timeout "
                "passed. The ensemble may have no quorum at the moment, or be overloaded. Try "
                "again, or with a larger --timeout."},
    known_error{"MUS0205",
                exit_code::timed_out,
                "the wait took longer than --timeout allows",
                "What the command waited for had not come when --timeout passed. Nothing was "
                "done."},
    known_error{"MUS0206",
                exit_code::unreachable,
                "the address cannot be listened on",
                "Another program listens on that port already, or the address is none of this "
                "machine. --listen 127.0.0.1:0 picks a free port."},
    known_error{"MUS0301",
                exit_code::unreachable,
                "the outcome is not known",
                "The connection broke after the request had left: it may have been done. Look "
                "(`muster status`) before doing it again."},
    known_error{"MUS0401",
                exit_code::unreachable,
                "the session has ended",
                "ZooKeeper gave the session up. What was ephemeral in it is gone; start over."},
    known_error{"MUS0501",
                exit_code::conflict,
                "somebody newer holds the right",
                "A larger fence exists: whoever held the older one must stop."},
    known_error{"MUS0601",
                exit_code::no,
                "there is no such cluster",
                "No member ever joined a cluster of that name at that ZooKeeper, or another "
                "chroot is meant. A cluster appears when its first member joins: start one, for "
                "example with `muster agent`. Names come from --cluster, MUSTER_CLUSTER, or "
                "`cluster` in muster.toml."},
    known_error{"MUS0602",
                exit_code::no,
                "there is no such resource",
                "No member of the cluster ever served a resource of that name. `muster resources` "
                "lists those that exist."},
    known_error{"MUS0603",
                exit_code::conflict,
                "the resource is described otherwise",
                "The first member that names a resource creates its specification: kind, number of "
                "partitions, replicas, options. A later one that describes it differently is "
                "refused, because two descriptions would give one key two owners. Use the same "
                "description, or another name."},
    known_error{"MUS0604",
                exit_code::refused,
                "ZooKeeper refused the credentials",
                "The server wants credentials that were not given, or refused those given; or the "
                "znodes of this cluster belong to somebody else. Credentials are `digest`, "
                "user:password, in muster.toml (or another file, with --config), or MUSTER_DIGEST "
                "in the environment: the same that the members have. There is no flag for them, "
                "because other users of the machine could read it."},
    known_error{"MUS0605",
                exit_code::usage,
                "the command line is wrong",
                "A verb, flag or argument is unknown, missing or malformed. `muster help VERB` "
                "shows what a verb takes, with an example."},
    known_error{"MUS0606",
                exit_code::usage,
                "the configuration is wrong",
                "A value in muster.toml or in the environment cannot be used; the message names "
                "the file and line, or the variable."},
    known_error{"MUS0607",
                exit_code::usage,
                "that does not work yet",
                "The verb or flag belongs to Muster, but this version does not have it yet. "
                "`muster help` lists what works."},
    known_error{"MUS0608",
                exit_code::no,
                "stored data cannot be read",
                "A znode of the cluster holds something that this version cannot read: a higher "
                "format (then use a newer muster), or damage. The message names the znode."},
    known_error{"MUS0609",
                exit_code::no,
                "there is no such partition",
                "The resource has no partition that serves this key. The key of a list resource is "
                "a partition's name: `muster partitions R -o name` lists them."},
    known_error{"MUS0610",
                exit_code::usage,
                "the session timeout is not safe",
                "With so short a session a pause of ZooKeeper's leader could end it while members "
                "still act. Leave --session-timeout at auto, or lower the server's tick."},
    known_error{"MUS0611",
                exit_code::no,
                "a program or file cannot be used",
                "The journal cannot be written, or the command cannot be started; the message says "
                "why."},
    known_error{"MUS0612",
                exit_code::no,
                "nobody takes that",
                "There is no such resource, partition, or process of that name, or what there is "
                "does not take messages of that type. Types are named as the program spells them, "
                "such as shop::put, or without what stands before the last ::."},
    known_error{"MUS0701",
                exit_code::interrupted,
                "interrupted",
                "A second signal came while the program was leaving: it ended at once. ZooKeeper "
                "gives up its session after the session timeout."},
    known_error{
        "MUS0702",
        exit_code::own_failure,
        "the elected command could not be run to its end",
        "Not the command failed, but what runs it: the program `warden`, which has to stand "
        "beside `muster`, is missing or was killed, or the machine has no room for another "
        "process. The right was given back."},
};

std::string_view code_of(errc code) {
    switch (code) {
        case errc::unavailable:
        case errc::stranded:
            return "MUS0203";
        case errc::moving:
        case errc::overloaded:
        case errc::timed_out:
            return "MUS0204";
        case errc::outcome_unknown:
            return "MUS0301";
        case errc::gone:
        case errc::closed:
            return "MUS0401";
        case errc::fenced:
            return "MUS0501";
        case errc::not_authorized:
            return "MUS0604";
        case errc::conflict:
            return "MUS0603";
        case errc::not_found:
            return "MUS0601";
        case errc::incompatible:
        case errc::invalid_argument:
        case errc::handler_failed:
            return "MUS0608";
    }
    return "MUS0401";
}

}  // namespace

std::span<const known_error> known_errors() noexcept {
    return table;
}

const known_error* find_error(std::string_view code) {
    std::string wanted;
    for (const char c : code) {
        wanted += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    if (!wanted.starts_with("MUS")) {
        wanted = "MUS" + wanted;
    }
    const auto* const found =
        std::ranges::find(table, std::string_view{wanted}, &known_error::code);
    return found == table.end() ? nullptr : found;
}

exit_code exit_of(const failure& what) {
    const known_error* const known = find_error(what.code);
    return known == nullptr ? exit_code::no : known->exit;
}

failure failure_of(const error& what) {
    const std::string_view hint =
        what.code == errc::not_authorized
            ? "give the members' user:password as `digest` in muster.toml, or as MUSTER_DIGEST"
            : "";
    return {
        .code = code_of(what.code), .message = what.text, .facts = {}, .hint = std::string{hint}};
}

void print_failure(std::ostream& err, const failure& what, bool as_json, bool colours) {
    if (as_json) {
        boost::json::object inner;
        inner["code"] = what.code;
        inner["message"] = what.message;
        std::string hint = what.hint;
        for (const auto& [name, text] : what.facts) {
            if (hint.empty() && name == "likely") {
                hint = text;
            }
        }
        inner["hint"] = hint;
        boost::json::object outer;
        outer["error"] = std::move(inner);
        err << boost::json::serialize(outer) << '\n';
        return;
    }
    constexpr std::size_t column = 11;
    err << (colours ? "\033[1;31m" : "") << "error[" << what.code
        << "]:" << (colours ? "\033[0m" : "") << ' ' << what.message << '\n';
    const auto line = [&](std::string_view name, std::string_view text) {
        err << "  " << name << std::string(column - std::min(column, name.size()), ' ') << text
            << '\n';
    };
    for (const auto& [name, text] : what.facts) {
        line(name, text);
    }
    if (!what.hint.empty()) {
        line("next", what.hint);
    }
    line("more", "muster help " + std::string{what.code});
}

}  // namespace muster::cli
