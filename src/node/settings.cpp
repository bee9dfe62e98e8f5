#include "node/settings.hpp"

#include "cluster/host.hpp"
#include "node/global_wire.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace muster::detail {
namespace {

constexpr std::uint32_t most_partitions = 1'000'000;
constexpr unsigned most_workers = 64;

bool is_loopback(const std::string& host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

error bad(std::string text) {
    return {errc::invalid_argument, std::move(text)};
}

}  // namespace

result<cluster::member_settings> settings_for_member(const config& from,
                                                     const application& program) {
    cluster::member_settings out;
    if (from.cluster.empty() || from.cluster.size() > 200) {
        return std::unexpected(bad("`cluster` must be a name of 1 to 200 bytes"));
    }
    if (from.name.size() > 200) {
        return std::unexpected(bad("`name` must be at most 200 bytes long"));
    }
    if (!std::isfinite(from.weight) || from.weight <= 0) {
        return std::unexpected(bad("`weight` must be a number above 0"));
    }
    if (from.workers > most_workers) {
        return std::unexpected(bad("`workers` must be at most " + std::to_string(most_workers)));
    }
    if (from.max_clock_slew_ppm > 500'000) {
        return std::unexpected(bad("`max_clock_slew_ppm` must be at most 500000"));
    }
    auto servers = zookeeper::connect_string::parse(from.zookeeper);
    if (!servers) {
        return std::unexpected(
            bad("`zookeeper` = \"" + from.zookeeper + "\": " + servers.error().text));
    }
    out.cluster = from.cluster;
    out.servers = std::move(*servers);
    out.self.name = from.name;
    out.self.zone = from.zone;
    out.self.weight = from.weight;
    out.self.roles = from.roles;
    out.self.metadata = from.metadata;
    out.self.version = program.version;
    out.session_timeout = from.session_timeout;
    out.allow_unsafe_session_timeout = from.allow_unsafe_session_timeout;
    out.allow_unproven_server = from.allow_unproven_server;
    out.lease.tick = from.tick_time;
    out.lease.sync_limit = from.sync_limit;
    out.lease.client_slew_ppm = from.max_clock_slew_ppm;
    out.lease.server_slew_ppm = from.max_clock_slew_ppm;
    out.min_members = from.min_members;
    out.settle = from.settle;
    out.init_deadline = from.init_deadline;
    out.initializes = program.init != nullptr;
    if (!from.digest.empty()) {
        if (from.digest.find(':') == std::string::npos) {
            return std::unexpected(bad("`digest` must be \"user:password\""));
        }
        out.auth.emplace_back("digest", from.digest);
        out.access = zookeeper::creator_all_acl();
    }
    return out;
}

result<runtime::endpoint> listen_address(const config& from,
                                         const zookeeper::connect_string& servers) {
    if (from.listen.empty()) {
        const bool local = std::ranges::all_of(
            servers.servers, [](const auto& server) { return is_loopback(server.host); });
        if (!local && from.advertise.empty()) {
            return fail(errc::invalid_argument,
                        "ZooKeeper is on another host (" + from.zookeeper +
                            "), so others must be able to reach this node: set `listen` to the "
                            "address of this host, such as \"10.0.0.5:7946\" (port 0 picks one)");
        }
        return runtime::endpoint{local ? "127.0.0.1" : "0.0.0.0", 0};
    }
    auto parsed = runtime::parse_host_port(from.listen);
    if (!parsed) {
        return std::unexpected(bad("`listen` = \"" + from.listen + "\": " + parsed.error().text));
    }
    const bool everywhere = parsed->host == "0.0.0.0" || parsed->host == "::";
    if (everywhere && from.advertise.empty()) {
        return fail(errc::invalid_argument,
                    "`listen` = \"" + from.listen +
                        "\" is no address that others could connect to: "
                        "say one with `advertise`");
    }
    return runtime::endpoint{parsed->host == "localhost" ? "127.0.0.1" : parsed->host,
                             parsed->port};
}

cluster::specification specification_of(const served& how) {
    cluster::specification spec;
    spec.kind = static_cast<cluster::resource_kind>(how.what);
    spec.partitions = how.what == served::kind::hash ? how.partitions : 0;
    spec.from = how.from;
    spec.replicas = how.options.replicas;
    spec.when_stranded = static_cast<cluster::stranded_policy>(how.options.when_stranded);
    spec.effects = static_cast<cluster::effects_policy>(how.options.effects);
    spec.on_stuck = static_cast<cluster::stuck_policy>(how.options.on_stuck);
    spec.handover_delay =
        how.options.handover_delay.value_or(how.options.effects == effects::unfenced ? 500ms : 0ms);
    spec.acquire_deadline = how.options.acquire_deadline;
    spec.release_deadline = how.options.release_deadline;
    spec.planner = how.options.planner ? "custom" : "balanced";
    return spec;
}

std::optional<error> check_resource(const std::string& name, const served& how) {
    const std::string what = "resource '" + name + "': ";
    if (name.empty() || name.size() > 200 || name == "member" || name == globals_resource ||
        name == cluster::leader_resource) {
        return bad(what +
                   "a name has 1 to 200 bytes and is none of 'member', 'globals' and "
                   "'muster.leader'");
    }
    if (how.what == served::kind::hash &&
        (how.partitions == 0 || how.partitions > most_partitions)) {
        return bad(what + "`partitions` must be 1 to " + std::to_string(most_partitions));
    }
    if (how.what == served::kind::range &&
        (how.from.empty() ||
         std::ranges::adjacent_find(how.from, std::greater_equal{}) != how.from.end())) {
        return bad(what + "`from` must hold at least one key, strictly ascending by bytes");
    }
    if (how.options.replicas == 0 || how.options.replicas > 16) {
        return bad(what + "`replicas` must be 1 to 16");
    }
    if (how.options.on_stuck == on_stuck::fence && how.options.effects == effects::unfenced) {
        return bad(what +
                   "`on_stuck` = fence needs `effects` = fenced or none: an unfenced effect "
                   "of a handler that does not stop could not be told from its successor's");
    }
    return std::nullopt;
}

}  // namespace muster::detail
