#include "cluster/view/describer.hpp"

#include "cluster/codec.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {

view_describer::view_describer(const session_context& at,
                               std::map<member_id, descriptor>& known,
                               std::function<void(std::shared_ptr<const view_snapshot>)> told)
    : at_{at}, known_{known}, told_{std::move(told)} {}

void view_describer::seen(const view_record& now) {
    view_ = now;
    read_unknown();
    publish();
}

void view_describer::read_unknown() {
    for (const view_member& one : view_->members) {
        if (known_.contains(one.id) || !being_read_.insert(one.id).second) {
            continue;
        }
        const std::string path = at_.where.member(one.id);
        reading::get(at_,
                     life_,
                     path,
                     {},
                     [this, id = one.id, path](zookeeper::reply<zookeeper::node_data> got) {
                         being_read_.erase(id);
                         if (!got.ok()) {
                             return;  // Gone already: a later view says so.
                         }
                         if (auto described = decode<descriptor>(got.value.data, path)) {
                             known_[id] = std::move(*described);
                             publish();
                         }
                     });
    }
    std::erase_if(known_, [&](const auto& item) {
        return std::ranges::find(view_->members, item.first, &view_member::id) ==
               view_->members.end();
    });
}

void view_describer::publish() const {
    auto snapshot = std::make_shared<view_snapshot>();
    snapshot->number = view_->number;
    snapshot->leader = view_->leader;
    snapshot->epoch = token_of(at_.incarnation, view_->epoch).value();
    for (const view_member& one : view_->members) {
        if (const auto known = known_.find(one.id); known != known_.end()) {
            snapshot->members.push_back({one.id, one.state, one.drain, known->second});
        }
    }
    std::ranges::sort(snapshot->members, [](const auto& a, const auto& b) {
        return std::pair{a.described.name, a.id} < std::pair{b.described.name, b.id};
    });
    told_(std::move(snapshot));
}

}  // namespace muster::cluster
