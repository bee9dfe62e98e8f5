#include "cluster/plan/reader.hpp"

#include "cluster/codec.hpp"
#include "cluster/plan/rules.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {

using zookeeper::zk_error;

plan_number known_plans::before_newest(const std::string& resource) const {
    const auto known = newest_.find(resource);
    return known == newest_.end() ? 0 : known->second - 1;
}

void known_plans::saw(const std::string& resource, plan_number number) {
    plan_number& newest = newest_[resource];
    newest = std::max(newest, number);
}

plan_reader::plan_reader(const session_context& at,
                         std::string resource,
                         plan_number known,
                         on_plan seen,
                         on_trouble trouble)
    : at_{at},
      resource_{std::move(resource)},
      handed_out_{known},
      seen_{std::move(seen)},
      trouble_{std::move(trouble)} {
    read_spec();
}

void plan_reader::look_again() {
    if (spec_) {
        read_head();
    } else {
        read_spec();
    }
}

void plan_reader::read_spec() {
    const std::string path = at_.where.resource(resource_);
    reading::get(at_, life_, path, {}, [this, path](zookeeper::reply<zookeeper::node_data> got) {
        if (got.refused_with(zk_error::no_node)) {
            complain({errc::not_found,
                      "resource '" + resource_ + "' does not exist yet (" + path +
                          "): it appears when a member serves it"});
            await_existence(path);
            return;
        }
        if (!got.ok()) {
            complain({errc::unavailable, "could not read " + path + ": " + got.text});
            return;
        }
        auto spec = decode<specification>(got.value.data, path);
        if (!spec) {
            complain(spec.error());
            return;
        }
        spec_ = std::move(*spec);
        read_head();
    });
}

void plan_reader::await_existence(const std::string& path) {
    auto appeared = life_.wrap([this](const zookeeper::watch_event&) { read_spec(); });
    reading::exists(
        at_, life_, path, std::move(appeared), [this](zookeeper::reply<zookeeper::stat> got) {
            if (got.ok()) {
                read_spec();  // It came between the two reads; the watch is harmless.
            }
        });
}

void plan_reader::read_head() {
    if (reading_head_) {
        head_stale_ = true;
        return;
    }
    reading_head_ = true;
    // A deleted head is an event too: the read that follows says that it is not there.
    auto changed = life_.wrap([this](const zookeeper::watch_event&) { read_head(); });
    reading::get(at_,
                 life_,
                 at_.where.plan(resource_),
                 std::move(changed),
                 [this](zookeeper::reply<zookeeper::node_data> got) { head_seen(std::move(got)); });
}

void plan_reader::head_seen(zookeeper::reply<zookeeper::node_data> got) {
    reading_head_ = false;
    const std::string path = at_.where.plan(resource_);
    if (got.ok()) {
        auto head = decode<plan_head>(got.value.data, path);
        if (!head) {
            complain(head.error());
        } else if (!wanted_ || head->number > wanted_->number) {
            wanted_ = std::move(*head);
            chunks_.resize(wanted_->chunks.size());
            for (std::size_t i = 0; i < chunks_.size(); ++i) {
                if (chunks_[i].number < wanted_->chunks[i]) {
                    read_chunk(i);
                }
            }
            finish_if_whole();
        }
    } else if (got.refused_with(zk_error::no_node)) {
        complain({errc::not_found,
                  "the plan of '" + resource_ + "' is missing (" + path +
                      "): what is owned stays as it is"});
        await_existence(path);
    } else {
        complain({errc::unavailable, "could not read " + path + ": " + got.text});
    }
    if (std::exchange(head_stale_, false)) {
        read_head();
    }
}

void plan_reader::read_chunk(std::size_t index) {
    ++outstanding_;
    reading::get(at_,
                 life_,
                 at_.where.chunk(resource_, index),
                 {},
                 [this, index](zookeeper::reply<zookeeper::node_data> got) {
                     chunk_seen(index, std::move(got));
                 });
}

void plan_reader::chunk_seen(std::size_t index, zookeeper::reply<zookeeper::node_data> got) {
    --outstanding_;
    const std::string path = at_.where.chunk(resource_, index);
    if (!got.ok()) {
        complain({errc::unavailable, "could not read " + path + ": " + got.text});
    } else {
        auto chunk = decode_chunk(got.value.data, path, *spec_, index);
        if (!chunk) {
            complain(chunk.error());
        } else if (index < chunks_.size() && chunk->number > chunks_[index].number) {
            chunks_[index] = std::move(*chunk);
        }
    }
    finish_if_whole();
}

void plan_reader::finish_if_whole() {
    if (outstanding_ > 0 || !wanted_ || wanted_->number <= handed_out_) {
        return;
    }
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        if (chunks_[i].number < wanted_->chunks[i]) {
            return;  // Unreadable: grants nothing new and releases nothing.
        }
    }
    handed_out_ = wanted_->number;
    complained_.clear();
    plan whole{.number = wanted_->number,
               .since = wanted_->since,
               .chunks = chunks_,
               .fresh = wanted_->fresh};
    add_unwritten(*spec_, whole);
    seen_(*spec_, whole);
}

void plan_reader::complain(error why) {
    if (std::exchange(complained_, why.text) != why.text) {
        trouble_(why);
    }
}

}  // namespace muster::cluster
