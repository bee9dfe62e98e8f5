#include "discovery/directory.hpp"

#include "discovery/service_name.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace muster::discovery {
namespace {

/// What an address may take that is not known yet: "[…]:port" of the longest IPv6 one, encoded.
constexpr std::size_t longest_address = 56;
/// Of each path in the transaction that ends a session.
constexpr std::size_t path_overhead = 4;

/// A name as it is found again: up to 16 bytes it is compared, and its place reckoned, as two
/// numbers.
struct quick_name {
    explicit quick_name(std::string_view whole) : text{whole} {
        if (text.size() >= sizeof first) {
            std::memcpy(&first, text.data(), sizeof first);
            std::memcpy(&last, text.data() + text.size() - sizeof last, sizeof last);
        } else {
            for (const char one : text) {
                first = first << 8U | static_cast<unsigned char>(one);
            }
        }
    }

    std::string_view text;
    std::uint64_t first = 0;  ///< 8 bytes, or all
    std::uint64_t last = 0;   ///< 8 bytes, which may be some of the first
};

/// What a thread has found, so that it finds it again without a lock and without writing anything
/// that another thread reads. The pictures are not kept by it (`runtime::per_thread`).
/// Threads: its own.
class found_names {
public:
    using picture = detail::service_picture;

    /// Null where `by` has not found it under that edition.
    [[nodiscard]] std::shared_ptr<const picture> find(const directory* by,
                                                      const quick_name& name,
                                                      std::uint64_t shown) const {
        const std::size_t first = place_of(by, name);
        if (all_[first].is(name, shown)) {
            return all_[first].loan.lock();
        }
        const place& other = all_[first ^ 1U];
        return other.is(name, shown) ? other.loan.lock() : nullptr;
    }
    /// Of two names that have the same places the one that was there longer goes.
    void add(const directory* by,
             const quick_name& name,
             std::uint64_t shown,
             const std::shared_ptr<const picture>& is) {
        const std::size_t first = place_of(by, name);
        if (all_[first].by != by || all_[first].name != name.text) {
            std::swap(all_[first], all_[first ^ 1U]);
        }
        all_[first] = {shown, name.first, name.last, std::string{name.text}, is, by};
    }

private:
    static constexpr std::size_t places = 256;  // 8 bits
    struct place {
        std::uint64_t shown = 0;
        std::uint64_t first = 0;
        std::uint64_t last = 0;
        std::string name;
        std::weak_ptr<const picture> loan;
        const directory* by = nullptr;  ///< never looked at: it may have ended

        [[nodiscard]] bool is(const quick_name& what, std::uint64_t under) const noexcept {
            return shown == under && first == what.first && last == what.last &&
                   name.size() == what.text.size() &&
                   (name.size() <= sizeof first + sizeof last || name == what.text);
        }
    };
    [[nodiscard]] static std::size_t place_of(const directory* by,
                                              const quick_name& name) noexcept {
        constexpr std::uint64_t odd = 0x9e37'79b9'7f4a'7c15;  // 2^64 over the golden ratio
        const auto seed = reinterpret_cast<std::uintptr_t>(by) / alignof(std::max_align_t);
        const std::uint64_t mixed =
            (name.first + seed) * odd + (name.last ^ name.text.size()) * (odd >> 7U | 1U);
        return static_cast<std::size_t>(mixed >> 56U);  // On these all others have their effect.
    }

    std::array<place, places> all_;
};

}  // namespace

directory::directory(std::shared_ptr<runtime::loop> by, directory_settings how)
    : by_{std::move(by)},
      how_{std::move(how)},
      own_{std::make_shared<const registry>(how_.most_bytes)} {}

// --- This node's own -----------------------------------------------------------------------------

result<added> directory::add(const std::string& name, const pid& who, reach how) {
    if (name.empty()) {
        return fail(errc::invalid_argument, "a name has at least one character");
    }
    if (who.empty() || who.life() != how_.home.life) {
        return fail(errc::invalid_argument,
                    "cannot register '" + name + "': " +
                        (who.empty() ? "this pid is nobody's"
                                     : who.text() + " is a process of another node, which alone "
                                                    "can register it"));
    }
    const bool leaves = how == reach::everywhere || name.starts_with(how_.prefix);
    const std::size_t bytes = leaves ? bytes_of(name, who) : 0;
    result<added> outcome = added::before;
    own_.change([&](registry& all) { outcome = all.add(name, who, bytes); });
    if (outcome) {
        own_changed(name);
    }
    return outcome;
}

bool directory::remove(const std::string& name, const pid& who) {
    bool was_there = false;
    own_.change([&](registry& all) { was_there = all.remove(name, who); });
    if (was_there) {
        own_changed(name);
    }
    return was_there;
}

void directory::forget(const pid& who) {
    std::vector<std::string> had;
    own_.change([&](registry& all) { had = all.forget(who); });
    for (const auto& name : had) {
        own_changed(name);
    }
}

void directory::lives_changed() {
    for (const auto& [name, entry] : *entries_.read()) {
        entry->look_again();
    }
}

std::size_t directory::bytes_of(const std::string& name, const pid& who) const {
    instance one{who, how_.home.member, how_.advertise, how_.home.zone};
    if (one.address.empty()) {
        one.address = std::string(longest_address, '0');
    }
    return service_path(how_.services, name).size() + 1 + encode_instance(one).size() +
           path_overhead;
}

std::vector<instance> directory::own_of(const std::string& name) const {
    std::vector<instance> found;
    const auto at = link_.read()->address;
    for (const pid& who : own_.read()->of(name)) {
        found.push_back({who, how_.home.member, at, how_.home.zone});
    }
    return found;
}

void directory::own_changed(const std::string& name) {
    const auto known = entries_.read();
    if (const auto found = known->find(name); found != known->end()) {
        found->second->look_again();
    }
    if (!publish_asked_.exchange(true)) {  // Many names at once are told as one.
        on_control([self = shared_from_this()] { self->publish_own(); });
    }
}

void directory::publish_own() {
    publish_asked_.store(false);
    if (!publish_) {
        return;
    }
    std::set<std::string> paths;
    const auto at = link_.read()->address;
    own_.read()->for_published([&](const std::string& name, const pid& who) {
        paths.insert(service_path(how_.services, name) + '/' +
                     encode_instance({who, how_.home.member, at, how_.home.zone}));
    });
    publish_(std::move(paths));
}

// --- Look-ups ------------------------------------------------------------------------------------

pending<instances> directory::find(std::string_view name) {
    // Before what it says is read: a change in between shows at the next call.
    const std::uint64_t shown = shown_->number();
    if (const auto* const mine = runtime::of_this_thread<found_names>::known()) {
        if (auto picture = mine->find(this, quick_name{name}, shown)) {
            return pending<instances>{instances{std::move(picture)}};
        }
    }
    if (auto picture = find_known(name, shown)) {
        return pending<instances>{instances{std::move(picture)}};
    }
    return look_up(name);
}

std::shared_ptr<const detail::service_picture> directory::find_known(std::string_view name,
                                                                     std::uint64_t shown) {
    const auto entries = entries_.read();
    const auto found = entries->find(name);
    if (found == entries->end()) {
        return nullptr;
    }
    auto picture = found->second->known();
    if (picture) {
        // Once for each edition is enough: a new name makes a new one.
        found->second->used.store(names_made_.load(std::memory_order_relaxed),
                                  std::memory_order_relaxed);
        if (auto* const mine = runtime::of_this_thread<found_names>::made()) {
            mine->add(this, quick_name{name}, shown, picture);
        }
    }
    return picture;
}

pending<instances> directory::look_up(std::string_view name) {
    auto [answer, told] = make_pending<instances>();
    if (name.empty()) {
        told(fail(errc::invalid_argument, "a name has at least one character"));
        return std::move(answer);
    }
    // Whoever cannot ask ZooKeeper still knows its own.
    auto end = [self = shared_from_this(), name = std::string{name}, tell = std::move(told)](
                   const std::shared_ptr<service_entry>& entry, const error& why) mutable {
        if (auto picture = entry ? entry->known() : nullptr) {
            tell(instances{std::move(picture)});
            return;
        }
        const service_entry alone{
            self->by_, self->how_.home.zone, [&] { return self->own_of(name); }, {}, self->shown_};
        instances own{alone.own_only()};
        if (own.empty()) {
            tell(std::unexpected{why});
        } else {
            tell(std::move(own));
        }
    };
    if (!link_.read()->control) {
        end(nullptr,
            {errc::unavailable,
             "'" + std::string{name} + "' cannot be looked up: the node is not started"});
        return std::move(answer);
    }
    on_control([this, name = std::string{name}, end = std::move(end)]() mutable {
        if (agent_) {
            agent_->find(name, std::move(end));
        }
    });
    return std::move(answer);
}

std::shared_ptr<service_entry> directory::make_entry(const std::string& name) {
    auto made = std::make_shared<service_entry>(
        by_,
        how_.home.zone,
        [weak = weak_from_this(), name] {
            const auto self = weak.lock();
            return self ? self->own_of(name) : std::vector<instance>{};
        },
        how_.is_here,
        shown_);
    made->used.store(names_made_.fetch_add(1) + 1);
    entries_.change([&](entry_map& all) { all.insert_or_assign(name, made); });
    // Threads find anew also what was dropped to make room, and say what they use (`find_known`).
    shown_->changed();
    return made;
}

// --- The control loop ----------------------------------------------------------------------------

void directory::on_control(task_fn job) {
    if (const auto to = link_.read()->control) {
        to->post([keep = shared_from_this(), job = std::move(job)]() mutable { job(); });
    }
}

void directory::attach(std::shared_ptr<runtime::loop> control,
                       std::string address,
                       std::function<void(std::set<std::string>)> publish) {
    // First on that loop, before whatever the link lets others post.
    control->post([self = shared_from_this(), control, publish = std::move(publish)]() mutable {
        self->begin(std::move(control), std::move(publish));
    });
    link_.replace(std::make_shared<const link>(std::move(control), std::move(address)));
}

void directory::begin(std::shared_ptr<runtime::loop> control,
                      std::function<void(std::set<std::string>)> publish) {
    publish_ = std::move(publish);
    agent_ = std::make_unique<lookup_agent>(
        std::move(control),
        lookup_settings{how_.services, how_.home.life, how_.patience, how_.most},
        lookup_agent::hooks{.make = [this](const std::string& name) { return make_entry(name); },
                            .dropped =
                                [this](const std::string& name) {
                                    entries_.change([&](entry_map& all) { all.erase(name); });
                                },
                            .warn = how_.warn});
}

void directory::detach() {
    link_.change([](link& now) { now.control = nullptr; });
    publish_ = nullptr;
    agent_.reset();
}

void directory::session_began(zookeeper::client& zk, bool is_new) {
    if (agent_) {
        agent_->began(zk, is_new);
    }
}

void directory::session_lost() {
    if (agent_) {
        agent_->lost();
    }
}

}  // namespace muster::discovery
