#include "agent_settings.hpp"

#include "base/text.hpp"
#include "verbs.hpp"

#include <cmath>
#include <cstdlib>

namespace muster::cli {
namespace {

failure missing(std::string_view flag, std::string_view text) {
    return {.code = "MUS0605",
            .message = "muster agent needs " + std::string{flag} + ": " + std::string{text},
            .facts = {},
            .hint = "muster help agent shows an example"};
}

/// A whole number from 1 on, or `otherwise` where the flag is not there.
outcome<std::uint32_t> count_of(const given& words,
                                std::string_view flag,
                                std::uint32_t otherwise,
                                std::uint32_t most) {
    const auto text = words.text(flag);
    if (!text) {
        return otherwise;
    }
    const auto value = base::parse_uint64(*text);
    if (!value || *value < 1 || *value > most) {
        return std::unexpected(
            bad_value(flag, *text, "a number from 1 to " + std::to_string(most)));
    }
    return static_cast<std::uint32_t>(*value);
}

outcome<double> weight_of(const given& words) {
    const auto text = words.text("--weight");
    if (!text) {
        return 1.0;
    }
    char* end = nullptr;
    const double value = std::strtod(text->c_str(), &end);
    if (text->empty() || *end != '\0' || !std::isfinite(value) || value <= 0) {
        return std::unexpected(bad_value("--weight", *text, "a number above 0"));
    }
    return value;
}

outcome<cluster::effects_policy> effects_of(const given& words) {
    const std::string text = words.text("--effects").value_or("unfenced");
    if (text == "unfenced") {
        return cluster::effects_policy::unfenced;
    }
    if (text == "fenced") {
        return cluster::effects_policy::fenced;
    }
    if (text == "none") {
        return cluster::effects_policy::none;
    }
    return std::unexpected(bad_value("--effects", text, "unfenced, fenced or none"));
}

outcome<cluster::specification> specification_of(const given& words) {
    cluster::specification spec;
    if (!words.has("--partitions")) {
        return std::unexpected(missing("--partitions", "into how many partitions keys are hashed"));
    }
    const auto partitions = count_of(words, "--partitions", 1, 1'000'000);
    const auto replicas = count_of(words, "--replicas", 1, 64);
    const auto effects = effects_of(words);
    if (!partitions) {
        return std::unexpected(partitions.error());
    }
    if (!replicas) {
        return std::unexpected(replicas.error());
    }
    if (!effects) {
        return std::unexpected(effects.error());
    }
    spec.partitions = *partitions;
    spec.replicas = *replicas;
    spec.effects = *effects;
    spec.handover_delay =
        std::chrono::milliseconds{spec.effects == cluster::effects_policy::unfenced ? 500 : 0};
    if (const auto text = words.text("--handover-delay")) {
        const auto delay = parse_duration(*text);
        if (!delay) {
            return std::unexpected(bad_value("--handover-delay", *text, "a duration such as 0ms"));
        }
        spec.handover_delay = *delay;
    }
    return spec;
}

}  // namespace

outcome<cluster::member_settings> member_settings_of(const given& words,
                                                     const settings& common,
                                                     const std::string& name) {
    cluster::member_settings made;
    auto servers = zookeeper::connect_string::parse(common.zookeeper.value);
    if (!servers) {
        return std::unexpected(failure{.code = "MUS0605",
                                       .message = servers.error().text,
                                       .facts = {{"from", common.zookeeper.origin}},
                                       .hint = "for example zk1:2181,zk2:2181/chroot"});
    }
    made.servers = std::move(*servers);
    made.cluster = common.cluster.value;
    if (!common.digest.value.empty()) {
        made.auth.emplace_back("digest", common.digest.value);
        made.access = zookeeper::creator_all_acl();
    }
    made.self.name = name;
    made.self.version = own_version();
    if (const auto text = words.text("--session-timeout"); text && *text != "auto") {
        const auto time = parse_duration(*text);
        if (!time || time->count() == 0) {
            return std::unexpected(
                bad_value("--session-timeout", *text, "auto, or a duration such as 4s"));
        }
        made.session_timeout = *time;
    }
    if (const auto text = words.text("--tick-time")) {
        const auto tick = parse_duration(*text);
        if (!tick || tick->count() == 0) {
            return std::unexpected(bad_value("--tick-time", *text, "a duration such as 2s"));
        }
        made.lease.tick = *tick;
    }
    const auto limit = count_of(words, "--sync-limit", made.lease.sync_limit, 10'000);
    if (!limit) {
        return std::unexpected(limit.error());
    }
    made.lease.sync_limit = *limit;
    return made;
}

outcome<agent_settings> agent_settings_of(const given& words, const settings& common) {
    const std::string name = words.text("--name").value_or("");
    if (name.empty()) {
        return std::unexpected(missing("--name", "the member's name"));
    }
    agent_settings made;
    made.resource = words.text("--resource").value_or("");
    if (made.resource.empty()) {
        return std::unexpected(missing("--resource", "the resource it serves"));
    }
    if (made.resource == "globals" || made.resource == "member") {
        return std::unexpected(
            bad_value("--resource", made.resource, "another name: this one is muster's own"));
    }
    auto member = member_settings_of(words, common, name);
    if (!member) {
        return std::unexpected(member.error());
    }
    const auto weight = weight_of(words);
    if (!weight) {
        return std::unexpected(weight.error());
    }
    auto spec = specification_of(words);
    if (!spec) {
        return std::unexpected(spec.error());
    }
    made.member = std::move(*member);
    made.member.self.zone = words.text("--zone").value_or("");
    made.member.self.weight = *weight;
    made.spec = std::move(*spec);
    made.journal = words.text("--journal").value_or("");
    made.exec = words.text("--exec").value_or("");
    return made;
}

}  // namespace muster::cli
