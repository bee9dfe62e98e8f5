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
                 [this](const zookeeper::reply<zookeeper::node_data>& got) { looked(got); });
}

void view_reader::looked(const zookeeper::reply<zookeeper::node_data>& got) {
    reading_ = false;
    if (got.ok()) {
        if (auto head = decode<view_head>(got.value.data, at_.where.view())) {
            for (const std::size_t index : parts_.take(std::move(*head))) {
                read_chunk(index);
            }
            hand_out();
        } else {
            complain(head.error());
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

void view_reader::read_chunk(std::size_t index) {
    ++outstanding_;
    const std::string path = at_.where.view_chunk(index);
    auto seen = [this, index, path](const zookeeper::reply<zookeeper::node_data>& got) {
        --outstanding_;
        if (!got.ok()) {
            complain({errc::unavailable, "could not read " + path + ": " + got.text});
        } else if (auto chunk = decode<view_chunk>(got.value.data, path)) {
            parts_.take(index, std::move(*chunk));
        } else {
            complain(chunk.error());
        }
        hand_out();
    };
    reading::get(at_, life_, path, {}, std::move(seen));
}

/// One of which a chunk is missing, or already newer, waits for a newer head or the next look.
void view_reader::hand_out() {
    if (outstanding_ > 0 || parts_.head().number <= known_) {
        return;
    }
    if (const auto view = parts_.whole()) {
        known_ = view->number;
        complained_.clear();
        seen_(*view);
    } else if (view.error().code != errc::unavailable) {
        complain(view.error());
    }
}

void view_reader::complain(const error& why) {
    if (std::exchange(complained_, why.text) != why.text) {
        at_.log(log_level::error, "view.damaged", why.text);
    }
}

}  // namespace muster::cluster
