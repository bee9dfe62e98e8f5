#include "base/text.hpp"
#include "command.hpp"
#include "verbs.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace muster::cli {
namespace {

const argument_spec resource{"R", "a resource", true};

const std::array<flag_spec, 9> flags_of_all{{
    {"--zookeeper", "HOSTS[/CHROOT]", "where ZooKeeper is (MUSTER_ZOOKEEPER; 127.0.0.1:2181)", ""},
    {"--cluster", "NAME", "which cluster (MUSTER_CLUSTER; default)", ""},
    {"--output", "FORMAT", "table, wide, json or name", "-o"},
    {"--watch", "EVERY", "repeat until interrupted; --watch alone means every 2s", ""},
    {"--timeout", "TIME", "how long to wait for an answer (5s)", ""},
    {"--config", "FILE", "read this file instead of ./muster.toml, the user's, the system's", ""},
    {"--color", "WHEN", "auto, always or never; NO_COLOR is respected", ""},
    {"--log-level", "LEVEL", "debug, info, warning or error; -q: error, -v: debug", ""},
    {"-q", "", "", ""},
}};

/// `-q` and `-v` are told of in the line of --log-level.
const flag_spec verbose{"-v", "", "", ""};

/// Verbs that need no cluster.
std::vector<command> local_verbs() {
    return {
        {.name = "dev",
         .summary = "a ZooKeeper of your own, for an application under development",
         .arguments = {},
         .flags =
             {{"--listen", "HOST:PORT", "where it listens (127.0.0.1:2181); port 0 picks one", ""}},
         .examples = {"muster dev", "muster dev --listen 127.0.0.1:0"},
         .run = run_dev,
         .more = "Everything is kept in memory. Ctrl-C stops it."},
        {.name = "demo",
         .summary = "a guided show: members are killed while they work, and nothing is lost",
         .arguments = {},
         .flags =
             {{"--members", "N", "how many members, 3 to 16 (3)", ""},
              {"--headless", "", "tell it on stderr, and the result as a JSON line on stdout", ""},
              {"--hold", "", "leave the cluster running until Ctrl-C, to try things out", ""}},
         .examples = {"muster demo", "muster demo --hold", "muster demo --headless"},
         .run = run_demo,
         .more =
             "Imports this machine's package index into an in-memory grid, kills its leader and "
             "another owner while records are read and written, and asks every member for "
             "every record. Exits 0 only if nothing was lost and no call failed."},
        {.name = "keeper",
         .summary = "the embedded coordination server alone",
         .arguments = {},
         .flags =
             {{"--listen", "HOST:PORT", "where it listens (127.0.0.1:2181); port 0 picks one", ""},
              {"--tick-time", "TIME", "its tick; sessions last 2 to 20 of them (2000ms)", ""}},
         .examples = {"muster keeper --listen 127.0.0.1:0 --tick-time 500ms"},
         .run = run_keeper,
         .more =
             "Prints `ready HOST:PORT` on stdout when it serves. Everything is kept in memory."},
        {.name = "version",
         .summary = "the version of muster",
         .examples = {"muster version"},
         .run = run_version},
        {.name = "help",
         .summary = "help with a verb or an error code",
         .arguments = {{"TOPIC", "a verb, or a code such as MUS0203", false}},
         .examples = {"muster help status", "muster help MUS0203"},
         .run = run_help},
    };
}

/// Verbs that make this process a member.
std::vector<command> member_verbs() {
    return {
        {.name = "agent",
         .summary = "makes this process, or any program, a member",
         .arguments = {},
         .flags =
             {{"--name", "N", "the member's name; it survives restarts", ""},
              {"--resource", "R", "the resource it serves", ""},
              {"--partitions", "P", "into how many partitions keys are hashed", ""},
              {"--replicas", "K", "owners of each partition (1)", ""},
              {"--zone", "Z", "copies of a partition go to different zones", ""},
              {"--weight", "W", "its share relative to others (1)", ""},
              {"--journal", "FILE", "append what happens, a JSON object a line; - is stdout", ""},
              {"--exec", "CMD", "run this by /bin/sh -c for each partition while it is owned", ""},
              {"--session-timeout", "TIME", "auto, or for example 4s (auto)", ""},
              {"--tick-time", "TIME", "ZooKeeper's tick, where it does not tell (2s)", ""},
              {"--sync-limit", "N", "ZooKeeper's syncLimit, where it does not tell (5)", ""},
              {"--effects", "KIND", "unfenced, fenced or none (unfenced)", ""},
              {"--handover-delay",
               "TIME",
               "after a crash, wait before the next owner starts (500ms where unfenced)",
               ""}},
         .examples = {"muster agent --name a1 --resource jobs --partitions 16 --journal -",
                      "muster agent --name a1 --resource jobs --partitions 4 "
                      "--exec 'exec ./worker --shard $MUSTER_PARTITION'"},
         .run = run_agent,
         .more = "CMD sees MUSTER_RESOURCE, MUSTER_PARTITION, MUSTER_FENCE and MUSTER_MEMBER. "
                 "SIGTERM drains and leaves; a second one ends at once. It goes on waiting while "
                 "ZooKeeper is away; --timeout does not apply."},
        {.name = "elect",
         .summary = "runs a command while elected for a name",
         .arguments = {{"NAME", "what is stood for", true}},
         .flags =
             {{"--once", "", "end with 1 when the right is lost, instead of standing again", ""},
              {"--name", "N", "the member's name (host and process number)", ""},
              {"--session-timeout", "TIME", "auto, or for example 4s (auto)", ""}},
         .examples = {"muster elect nightly-report -- ./report.sh --all",
                      "muster elect --timeout 10s --once rates -- ./rates"},
         .takes_command = true,
         .run = run_elect,
         .more = "CMD sees MUSTER_NAME, MUSTER_FENCE and MUSTER_MEMBER. The exit code is CMD's, "
                 "128 + n for a signal. Waits without limit unless --timeout is given (then 4)."},
    };
}

/// Verbs that look at a cluster.
std::vector<command> reading_verbs() {
    return {
        {.name = "status",
         .summary = "how the cluster is, in a sentence first; exits 1 unless healthy",
         .examples = {"muster status", "muster status --watch=1s", "muster status -o json"},
         .reads = true,
         .run = run_status},
        {.name = "members",
         .summary = "who is there",
         .examples = {"muster members", "muster members -o wide --zookeeper zk1:2181"},
         .reads = true,
         .run = run_members},
        {.name = "leader",
         .summary = "who leads, and since when",
         .examples = {"muster leader", "muster leader -o name"},
         .reads = true,
         .run = run_leader},
        {.name = "resources",
         .summary = "what is divided among the members",
         .examples = {"muster resources"},
         .reads = true,
         .run = run_resources},
        {.name = "partitions",
         .summary = "who owns each partition of a resource",
         .arguments = {resource},
         .examples = {"muster partitions orders", "muster partitions orders -o json"},
         .reads = true,
         .run = run_partitions},
        {.name = "route",
         .summary = "partition, owner, address and fence for a key",
         .arguments = {resource, {"KEY", "any text", true}},
         .examples = {"muster route orders ann"},
         .reads = true,
         .run = run_route},
        {.name = "ask",
         .summary = "one request to the owner of its key, as JSON",
         .arguments = {resource,
                       {"REQUEST", "a type it answers, such as shop::get, or get", true},
                       {"JSON", "its fields by name; `key` says where it goes", true}},
         .examples = {R"(muster ask shelves get '{"key":"ann"}')",
                      R"(muster ask shelves put '{"key":"ann","value":"42"}' --cluster shop)"},
         .run = run_ask,
         .more = "Prints the reply as JSON in a line, null where it has no content. The owner says "
                 "what its requests are made of; fields at the end may be left out. It is asked at "
                 "most once, within --timeout."},
        {.name = "send",
         .summary = "one message to a process of a name, as JSON",
         .arguments = {{"NAME", "what the process is registered as, or a global's name", true},
                       {"MESSAGE", "a type it receives, such as shop::job, or job", true},
                       {"JSON", "its fields by name", true}},
         .examples = {R"(muster send worker job '{"text":"sweep"}')"},
         .run = run_send,
         .more = "Where several processes have the name, one of them gets it. Prints which, once "
                 "the message is in its mailbox."},
        {.name = "watch",
         .summary = "live events as JSON lines, until interrupted",
         .examples = {"muster watch", "muster watch --cluster shop | jq .event"},
         .run = run_watch},
    };
}

const std::vector<command>& table() {
    static const std::vector<command> all = [] {
        constexpr std::array order{"dev",
                                   "demo",
                                   "keeper",
                                   "agent",
                                   "elect",
                                   "status",
                                   "members",
                                   "leader",
                                   "resources",
                                   "partitions",
                                   "route",
                                   "ask",
                                   "send",
                                   "watch",
                                   "version",
                                   "help"};
        std::vector<command> made;
        for (auto& group : {local_verbs(), member_verbs(), reading_verbs()}) {
            made.insert(made.end(), group.begin(), group.end());
        }
        std::ranges::sort(made, {}, [&](const command& one) {
            return std::ranges::find(
                order, one.name, [](const char* name) { return std::string_view{name}; });
        });
        return made;
    }();
    return all;
}

}  // namespace

std::span<const command> commands() {
    return table();
}

const command* find_command(std::string_view name) {
    const auto found = std::ranges::find(table(), name, &command::name);
    return found == table().end() ? nullptr : &*found;
}

std::span<const flag_spec> common_flags() {
    static const std::array<flag_spec, 10> all = [] {
        std::array<flag_spec, 10> made;
        std::ranges::copy(flags_of_all, made.begin());
        made.back() = verbose;
        return made;
    }();
    return all;
}

bool applies(const flag_spec& flag, const command& verb) {
    const bool local = verb.name == "dev" || verb.name == "demo" || verb.name == "keeper" ||
                       verb.name == "version" || verb.name == "help";
    if (flag.name == "--output" || flag.name == "--watch") {
        return verb.reads ||
               (flag.name == "--output" && (verb.name == "version" || verb.name == "watch"));
    }
    if (flag.name == "--zookeeper" || flag.name == "--cluster" || flag.name == "--timeout") {
        return !local && !(flag.name == "--timeout" && verb.name == "agent");
    }
    return true;
}

std::optional<std::string> given::text(std::string_view flag) const {
    const auto at = flags.find(flag);
    return at == flags.end() ? std::nullopt : std::optional{at->second};
}

exit_code complain(context& at, const failure& what) {
    print_failure(at.err, what, at.common.as == format::json, at.err_colours);
    return exit_of(what);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> units{
        {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}};
    for (const auto& [unit, factor] : units) {
        if (!text.ends_with(unit)) {
            continue;
        }
        std::string_view number = text.substr(0, text.size() - unit.size());
        std::uint64_t fraction = 0;
        if (const auto dot = number.find('.'); dot != std::string_view::npos) {
            const auto digits = number.substr(dot + 1);
            const auto value = base::parse_uint64(digits);
            if (!value || digits.size() > 3) {
                return std::nullopt;
            }
            fraction = *value * factor;
            for (std::size_t i = 0; i < digits.size(); ++i) {
                fraction /= 10;
            }
            number = number.substr(0, dot);
        }
        const auto whole = base::parse_uint64(number);
        if (whole && *whole <= 1'000'000) {
            return std::chrono::milliseconds{static_cast<std::int64_t>(*whole * factor + fraction)};
        }
    }
    return std::nullopt;
}

failure bad_value(std::string_view flag, std::string_view value, std::string_view wanted) {
    return {.code = "MUS0605",
            .message = std::string{flag} + " cannot be '" + std::string{value} + "'",
            .facts = {{"from", std::string{flag} + " on the command line"}},
            .hint = "it has to be " + std::string{wanted}};
}

}  // namespace muster::cli
