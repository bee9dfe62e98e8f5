#include "node/global_book.hpp"

#include "base/hash.hpp"

#include <utility>

namespace muster::detail {
namespace {

constexpr std::size_t longest_name = 200;
constexpr std::size_t many_names = 1024;

}  // namespace

std::optional<error> check_global_name(std::string_view name) {
    if (!name.empty() && name.size() <= longest_name) {
        return std::nullopt;
    }
    return error{errc::invalid_argument,
                 "a global needs a name of 1 to " + std::to_string(longest_name) + " bytes"};
}

std::shared_ptr<global_proxy> global_book::known(std::string_view name) const {
    const auto all = proxies_.read();
    const auto found = all->find(name);
    return found == all->end() ? nullptr : found->second;
}

std::shared_ptr<global_proxy> global_book::at(std::string_view name) {
    return at(name, name);
}

std::shared_ptr<global_proxy> global_book::at(std::string_view name, std::string_view partition) {
    if (auto there = known(name)) {
        return there;
    }
    const std::size_t worker = base::xxh64(name) % seats_->services().worker_count();
    auto trouble = check_global_name(name);
    if (trouble) {
        return std::make_shared<global_proxy>(
            std::string{name}, std::string{partition}, seats_, worker, std::move(trouble));
    }
    std::shared_ptr<global_proxy> made;
    proxies_.change([&](proxy_map& all) {
        if (all.size() >= many_names) {
            forget_idle(all);  // However many names are asked for that nobody has.
        }
        auto& slot = all[std::string{name}];
        if (!slot) {
            slot = std::make_shared<global_proxy>(
                std::string{name}, std::string{partition}, seats_, worker);
        }
        made = slot;
    });
    first_use_();
    return made;
}

/// The newest plan is the cache of who there is: a name in it is answered at once, and one that it
/// does not have is asked for, as it may have been added a moment ago.
void global_book::find(std::string_view name, completer<global> told) {
    const auto by = seats_->plan();
    auto proxy = at(name);
    if (by && by->named(name) != nullptr && !seats_->services().stopped()) {
        told(global{std::move(proxy)});
        return;
    }
    auto [where, tell] = make_pending<pid>();
    proxy->locate(proxy->ask_deadline(), std::move(tell));
    where.then([proxy, told = std::move(told)](result<pid> got) mutable {
        // Between members, it is there all the same.
        if (got || got.error().code == errc::moving) {
            told(global{std::move(proxy)});
        } else {
            told(std::unexpected{std::move(got.error())});
        }
    });
}

std::string global_book::name_of(const pid& who) const {
    for (const auto& [name, one] : *proxies_.read()) {
        if (one->was_at(who)) {
            return name;
        }
    }
    return {};
}

void global_book::plan_read() {
    const auto by = seats_->plan();
    bool idle = false;
    for (const auto& [name, one] : *proxies_.read()) {
        one->plan_moved();
        idle = idle || (by && by->named(name) == nullptr && !one->is_expected());
    }
    if (!idle) {
        return;
    }
    proxies_.change([&](proxy_map& all) { forget_idle(all); });
}

/// Names that nobody stands for, and nobody here holds.
void global_book::forget_idle(proxy_map& all) const {
    const auto by = seats_->plan();
    std::erase_if(all, [&](const auto& item) {
        const auto& [name, one] = item;
        // One reference is this copy's, one that of the map which it replaces.
        return (!by || by->named(name) == nullptr) && !one->is_expected() && one->is_idle() &&
               one.use_count() <= 2;
    });
}

/// An epoch is made as a fence is.
void global_book::leader_read(const cluster::view_snapshot& now) {
    cluster::entry one;
    one.partition = cluster::leader_partition;
    one.owner = now.leader;
    one.fence = now.epoch & cluster::most_plan_number;
    cluster::plan whole;
    whole.number = now.number;
    whole.chunks.push_back({.number = now.number, .entries = {one}});
    cluster::specification as_list;
    as_list.kind = cluster::resource_kind::list;
    seats_->plan_read(std::make_shared<const cluster::plan_snapshot>(
        std::string{cluster::leader_resource},
        static_cast<std::int32_t>(now.epoch / (cluster::most_plan_number + 1)),
        as_list,
        std::move(whole)));
    plan_read();
}

std::function<std::string(const pid&)> names_of(
    std::vector<std::weak_ptr<const global_book>> books) {
    return [books = std::move(books)](const pid& who) {
        for (const auto& one : books) {
            const auto book = one.lock();
            auto name = book ? book->name_of(who) : std::string{};
            if (!name.empty()) {
                return name;
            }
        }
        return std::string{};
    };
}

void global_book::shut() {
    for (const auto& [name, one] : *proxies_.read()) {
        one->shut();
    }
    proxies_.replace(std::make_shared<const proxy_map>());
}

}  // namespace muster::detail
