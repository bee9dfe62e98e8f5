#include "demo_events.hpp"

#include "base/text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <ctime>
#include <utility>

namespace muster::cli {
namespace {

std::string text_of(const boost::json::object& from, std::string_view name) {
    const auto* const value = from.if_contains(name);
    return value != nullptr && value->is_string() ? std::string{value->get_string()} : "";
}

}  // namespace

boot_time boot_now() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return boot_time{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void demo_events::hear(std::string_view line) {
    boost::system::error_code trouble;
    const auto parsed = boost::json::parse(line, trouble);
    if (trouble || !parsed.is_object()) {
        return;
    }
    const auto& one = parsed.get_object();
    const std::string event = text_of(one, "event");
    const std::string member = text_of(one, "member");
    const boot_time at = base::parse_int64(text_of(one, "t")).value_or(0);
    const std::string partition = text_of(one, "resource") + "/" + text_of(one, "partition");
    {
        const std::lock_guard lock{mutex_};
        if (event == "start") {
            http_[member] = text_of(one, "http");
        } else if (event == "acquire") {
            auto& held = partitions_[partition];
            // The last owner's line may be read after this one's: then it has no end yet.
            const double gap = held.owner.empty() && held.since > 0
                                   ? static_cast<double>(at - held.since) / 1e6
                                   : 0.0;
            moves_.push_back({partition, member, std::max(gap, 0.0)});
            held = {member, at};
        } else if (event == "let_go") {
            auto& held = partitions_[partition];
            if (held.owner == member) {
                held = {"", at};
            } else if (!held.owner.empty() && at < held.since) {
                const auto move =
                    std::find_if(moves_.rbegin(), moves_.rend(), [&](const demo_move& each) {
                        return each.partition == partition;
                    });
                if (move != moves_.rend()) {
                    move->unowned_ms = static_cast<double>(held.since - at) / 1e6;
                }
            }
        } else if (event == "leader") {
            const auto* const gained = one.if_contains("gained");
            if (gained != nullptr && gained->is_bool() && gained->get_bool() && at > leads_since_) {
                leader_ = member;
                leads_since_ = at;
            }
        }
    }
    changed_.notify_all();
}

bool demo_events::wait(std::chrono::milliseconds patience,
                       const std::function<bool()>& give_up,
                       const std::function<bool()>& enough) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!enough()) {
        if (give_up() || std::chrono::steady_clock::now() >= until) {
            return false;
        }
        std::unique_lock lock{mutex_};
        changed_.wait_for(lock, std::chrono::milliseconds{20});
    }
    return true;
}

std::string demo_events::http_of(const std::string& member) const {
    const std::lock_guard lock{mutex_};
    const auto found = http_.find(member);
    return found == http_.end() ? "" : found->second;
}

std::vector<std::string> demo_events::owned_by(const std::string& member) const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> names;
    for (const auto& [name, held] : partitions_) {
        if (held.owner == member) {
            names.push_back(name);
        }
    }
    return names;
}

std::pair<std::string, boot_time> demo_events::leader() const {
    const std::lock_guard lock{mutex_};
    return {leader_, leads_since_};
}

std::size_t demo_events::owned_partitions() const {
    const std::lock_guard lock{mutex_};
    return static_cast<std::size_t>(std::ranges::count_if(
        partitions_, [](const auto& one) { return !one.second.owner.empty(); }));
}

void demo_events::killed(const std::string& member, boot_time at) {
    const std::lock_guard lock{mutex_};
    for (auto& [name, held] : partitions_) {
        if (held.owner == member) {
            held = {"", at};
        }
    }
    http_.erase(member);
}

std::size_t demo_events::unowned() const {
    const std::lock_guard lock{mutex_};
    return static_cast<std::size_t>(std::ranges::count_if(
        partitions_, [](const auto& one) { return one.second.owner.empty(); }));
}

std::vector<demo_move> demo_events::take_moves() {
    const std::lock_guard lock{mutex_};
    return std::exchange(moves_, {});
}

}  // namespace muster::cli
