#include "cluster/view/reader.hpp"

#include "cluster/codec.hpp"

#include <utility>

namespace muster::cluster {

view_reader::view_reader(const session_context& at,
                         std::int64_t known,
                         std::function<void(const view_record&)> seen)
    : at_{at}, known_{known}, seen_{std::move(seen)} {
    look();
}

void view_reader::look() {
    if (reading_) {
        stale_ = true;
        return;
    }
    reading_ = true;
    auto changed = life_.wrap([this](const zookeeper::watch_event&) { look(); });
    reading::get(at_,
                 life_,
                 at_.where.view(),
                 std::move(changed),
                 [this](zookeeper::reply<zookeeper::node_data> got) { looked(std::move(got)); });
}

void view_reader::looked(zookeeper::reply<zookeeper::node_data> got) {
    reading_ = false;
    if (got.ok()) {
        const auto view = decode<view_record>(got.value.data, at_.where.view());
        if (!view) {
            at_.log(log_level::error, "view.damaged", view.error().text);
        } else if (view->number > known_) {
            known_ = view->number;
            seen_(*view);
        }
    } else if (got.refused_with(zookeeper::zk_error::no_node)) {
        auto appeared = life_.wrap([this](const zookeeper::watch_event&) { look(); });
        reading::exists(at_,
                        life_,
                        at_.where.view(),
                        std::move(appeared),
                        [this](zookeeper::reply<zookeeper::stat> there) {
                            if (there.ok()) {
                                look();
                            }
                        });
    }
    if (std::exchange(stale_, false)) {
        look();
    }
}

}  // namespace muster::cluster
