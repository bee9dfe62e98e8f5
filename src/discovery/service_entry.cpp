#include "discovery/service_entry.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace muster::discovery {

using detail::service_picture;

service_entry::service_entry(std::shared_ptr<runtime::loop> by,
                             std::string zone,
                             own_fn own,
                             is_here_fn is_here,
                             std::shared_ptr<runtime::edition> shown)
    : by_{std::move(by)},
      zone_{std::move(zone)},
      own_{std::move(own)},
      is_here_{std::move(is_here)},
      shown_{std::move(shown)} {}

std::shared_ptr<const service_picture> service_entry::own_only() const {
    auto alone = std::make_shared<service_picture>(by_, own_(), zone_, nullptr);
    alone->is_unasked();
    return alone;
}

/// Reads the node's own, and who is here, inside the turn: of two that change them, the later one
/// sees both.
bool service_entry::draw(state& now) const {
    std::vector<instance> all;
    std::ranges::copy_if(now.others, std::back_inserter(all), [this](const instance& one) {
        return !is_here_ || is_here_(one.who.life());
    });
    for (auto& one : own_()) {
        all.push_back(std::move(one));
    }
    std::ranges::sort(all, {}, &instance::who);
    if (now.picture && now.picture->all() == all) {
        return false;
    }
    auto drawn = std::make_shared<service_picture>(by_, std::move(all), zone_, now.picture.get());
    if (now.picture) {
        drawn->as_old_as(*now.picture);
        now.picture->may_be_old();
    }
    now.picture = std::move(drawn);
    return true;
}

/// Inside the turn, or an earlier picture could be shown after a later one.
void service_entry::show(const state& now) {
    known_.replace(now.picture);
    shown_->changed();
}

void service_entry::others_are(std::vector<instance> others) {
    state_.change([&](state& now) {
        now.known = true;
        now.others = std::move(others);
        const bool is_new = draw(now);
        now.picture->is_current();
        if (is_new) {
            show(now);
        }
    });
}

void service_entry::may_be_old() const {
    if (const auto now = state_.read(); now->picture) {
        now->picture->may_be_old();
    }
}

void service_entry::look_again() {
    state_.change([this](state& now) {
        if (now.known && draw(now)) {
            show(now);
        }
    });
}

}  // namespace muster::discovery
