#include "cluster/membership/join_agent.hpp"

#include "base/text.hpp"
#include "cluster/codec.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace muster::cluster {

using zookeeper::create_mode;
using zookeeper::zk_error;

join_agent::join_agent(const session_context& at, descriptor self, hooks told)
    : at_{at}, self_{std::move(self)}, told_{std::move(told)} {
    read_root();
}

void join_agent::read_root() {
    const std::string path = at_.where.root();
    reading::get(at_, life_, path, {}, [this, path](zookeeper::reply<zookeeper::node_data> got) {
        if (got.refused_with(zk_error::no_node)) {
            make_frame();
            return;
        }
        if (!got.ok()) {
            fail_with(
                got.refused_with(zk_error::no_auth) ? errc::not_authorized : errc::unavailable,
                "could not read " + path + ": " + got.text);
            return;
        }
        auto root = decode<root_record>(got.value.data, path);
        if (!root) {
            told_.failed(root.error());
            return;
        }
        root_ = std::move(*root);
        see_whole_frame();
    });
}

/// The root may be there before the rest is: another member is at it, or was interrupted.
void join_agent::see_whole_frame() {
    reading::exists(
        at_, life_, at_.where.history(), {}, [this](zookeeper::reply<zookeeper::stat> got) {
            if (got.refused_with(zk_error::no_node)) {
                make_frame();
                return;
            }
            read_key();
        });
}

void join_agent::read_key() {
    const std::string path = at_.where.key();
    reading::get(at_, life_, path, {}, [this, path](zookeeper::reply<zookeeper::node_data> got) {
        if (got.refused_with(zk_error::no_node)) {
            make_key();
            return;
        }
        if (!got.ok()) {
            fail_with(
                got.refused_with(zk_error::no_auth) ? errc::not_authorized : errc::unavailable,
                "could not read " + path + ": " + got.text);
            return;
        }
        auto key = decode<key_record>(got.value.data, path);
        if (!key) {
            fail_with(key.error().code,
                      key.error().text +
                          "; no member is let in without the cluster's key: stop "
                          "those that run, delete the znode, and start them again");
            return;
        }
        told_.key_read(std::move(key->bytes));
        told_.prepare(root_, life_.wrap([this](status_record first) {
            first_ = std::move(first);
            enter();
        }));
    });
}

/// Whoever is first makes it, and all read what is there then.
void join_agent::make_key() {
    key_record fresh{std::string(key_record::size, '\0')};
    at_.loop.random_bytes(std::as_writable_bytes(std::span{fresh.bytes}));
    zookeeper::create_op key{.path = at_.where.key(), .data = encode(fresh)};
    at_.zk.create(
        std::move(key), never, life_.wrap([this](zookeeper::reply<zookeeper::created> got) {
            if (got.ok() || got.refused_with(zk_error::node_exists) || reading::again(got)) {
                read_key();
            } else {
                fail_with(
                    got.refused_with(zk_error::no_auth) ? errc::not_authorized : errc::unavailable,
                    "could not create " + at_.where.key() + ": " + got.text);
            }
        }));
}

/// Each part by itself: several members make the frame at once, and "exists" is as good as done.
void join_agent::make_frame() {
    root_.uuid = member_id{at_.loop.random_u64(), at_.loop.random_u64()}.text();
    const std::string& root = at_.where.root();
    frame_.clear();
    for (std::size_t slash = root.find('/', 1); slash != std::string::npos;
         slash = root.find('/', slash + 1)) {
        frame_.push_back(root.substr(0, slash));
    }
    frame_.push_back(root);
    // The last one says that all are there.
    for (std::string part : {at_.where.members(),
                             at_.where.statuses(),
                             at_.where.succession(),
                             at_.where.resources(),
                             at_.where.services(),
                             at_.where.commands(),
                             at_.where.history()}) {
        frame_.push_back(std::move(part));
    }
    make_frame_part(0);
}

void join_agent::make_frame_part(std::size_t index) {
    if (index == frame_.size()) {
        read_root();  // Another member's record may have been there first.
        return;
    }
    zookeeper::create_op part{.path = frame_[index]};
    if (part.path == at_.where.root()) {
        part.data = encode(root_);
    }
    at_.zk.create(part, never, life_.wrap([this, index](zookeeper::reply<zookeeper::created> got) {
        if (got.ok() || got.refused_with(zk_error::node_exists)) {
            make_frame_part(index + 1);
        } else if (reading::again(got)) {
            make_frame_part(index);
        } else {
            fail_with(
                got.refused_with(zk_error::no_auth) ? errc::not_authorized : errc::unavailable,
                "could not create " + frame_[index] + ": " + got.text);
        }
    }));
}

void join_agent::enter() {
    std::vector<zookeeper::op> ops;
    ops.emplace_back(zookeeper::create_op{
        .path = at_.where.member(at_.self), .data = encode(self_), .mode = create_mode::ephemeral});
    ops.emplace_back(zookeeper::create_op{.path = at_.where.status(at_.self),
                                          .data = encode(first_),
                                          .mode = create_mode::ephemeral});
    if (at_.settings.stands_for_leader) {
        ops.emplace_back(zookeeper::create_op{.path = at_.where.succession_prefix(at_.self),
                                              .mode = create_mode::ephemeral_sequential});
    }
    at_.zk.multi(std::move(ops),
                 never,
                 life_.wrap([this](zookeeper::reply<std::vector<zookeeper::op_result>> got) {
                     entered(std::move(got));
                 }));
}

void join_agent::entered(zookeeper::reply<std::vector<zookeeper::op_result>> got) {
    if (got.ok()) {
        if (at_.settings.stands_for_leader && got.value.size() == 3 &&
            got.value[2].meta.czxid != 0) {
            const std::string& path = got.value[2].path;
            told_.done({root_, path.substr(path.rfind('/') + 1), got.value[2].meta.czxid, first_});
            return;
        }
        find_place(told_.done);
        return;
    }
    if (got.how == zookeeper::outcome::not_sent) {
        enter();
    } else if (got.how == zookeeper::outcome::outcome_unknown ||
               got.refused_with(zk_error::node_exists)) {
        look_for_own();
    } else if (got.refused_with(zk_error::no_node)) {
        make_frame();  // A part of the frame is missing: an interrupted first start.
    } else {
        fail_with(got.refused_with(zk_error::no_auth) ? errc::not_authorized : errc::unavailable,
                  "could not join: " + got.text);
    }
}

void join_agent::look_for_own() {
    reading::exists(
        at_, life_, at_.where.member(at_.self), {}, [this](zookeeper::reply<zookeeper::stat> got) {
            if (got.refused_with(zk_error::no_node)) {
                enter();
            } else if (got.ok() && at_.zk.session() &&
                       got.value.ephemeral_owner == at_.zk.session()->id) {
                find_place(told_.done);
            } else {
                fail_with(errc::conflict,
                          at_.where.member(at_.self) +
                              " belongs to another session: the id is not unique");
            }
        });
}

/// Finds the own succession znode by its id.
void join_agent::find_place(std::function<void(const joined&)> done) {
    if (!at_.settings.stands_for_leader) {
        done({root_, "", 0, first_});
        return;
    }
    reading::children(
        at_,
        life_,
        at_.where.succession(),
        {},
        [this, done = std::move(done)](zookeeper::reply<zookeeper::node_children> got) {
            std::string own;
            for (const std::string& child : got.value.names) {
                const auto name = parse_succession(child);
                if (name && name->id == at_.self) {
                    own = std::max(own, child);
                }
            }
            if (own.empty()) {
                done({root_, "", 0, first_});
                return;
            }
            reading::exists(at_,
                            life_,
                            at_.where.succession() + "/" + own,
                            {},
                            [this, done, own](zookeeper::reply<zookeeper::stat> place) {
                                done({root_, place.ok() ? own : "", place.value.czxid, first_});
                            });
        });
}

void join_agent::requeue(const std::string& old_child, std::function<void(const joined&)> done) {
    if (!at_.settings.stands_for_leader) {
        return;
    }
    std::vector<zookeeper::op> ops;
    if (!old_child.empty()) {
        ops.emplace_back(zookeeper::remove_op{at_.where.succession() + "/" + old_child});
    }
    ops.emplace_back(zookeeper::create_op{.path = at_.where.succession_prefix(at_.self),
                                          .mode = create_mode::ephemeral_sequential});
    at_.zk.multi(
        std::move(ops),
        never,
        life_.wrap([this, old_child, done](
                       zookeeper::reply<std::vector<zookeeper::op_result>> got) mutable {
            if (got.ok() && got.value.back().meta.czxid != 0) {
                const std::string& path = got.value.back().path;
                done(
                    {root_, path.substr(path.rfind('/') + 1), got.value.back().meta.czxid, first_});
            } else if (got.how == zookeeper::outcome::refused && !old_child.empty()) {
                requeue("", std::move(done));  // The old one is gone already.
            } else if (got.how != zookeeper::outcome::refused &&
                       at_.zk.state() != zookeeper::session_state::expired &&
                       at_.zk.state() != zookeeper::session_state::closed) {
                find_place([this, old_child, done](const joined& seen) {
                    if (seen.succession.empty() || seen.succession == old_child) {
                        requeue(seen.succession, done);
                    } else {
                        done(seen);
                    }
                });
            }
        }));
}

void join_agent::fail_with(errc code, std::string text) {
    if (code == errc::not_authorized) {
        text += "; `digest` must be the one that the other members have";
    }
    told_.failed({code, std::move(text)});
}

}  // namespace muster::cluster
