#include "cluster/leader/book_keeper.hpp"

#include "base/text.hpp"
#include "cluster/codec.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {

using zookeeper::zk_error;

namespace {

std::set<member_id> ids_of(const std::vector<std::string>& children) {
    std::set<member_id> ids;
    for (const std::string& child : children) {
        if (const auto id = member_id::parse(child)) {
            ids.insert(*id);
        }
    }
    return ids;
}

/// Commands are taken in the order in which they were created: by their sequence number.
std::string in_order(const std::string& child) {
    return child.size() > 10 ? child.substr(child.size() - 10) + ":" + child : ":" + child;
}

/// Of a damaged view the chunks that are whole, for the marks in them.
view_record what_is_left(const view_parts& parts) {
    std::map<member_id, view_member> members;
    for (const view_chunk& chunk : parts.chunks()) {
        for (const view_member& one : chunk.members) {
            members.emplace(one.id, one);
        }
    }
    view_record left;
    for (const auto& [id, one] : members) {
        left.members.push_back(one);
    }
    return left;
}

}  // namespace

book_keeper::book_keeper(const session_context& at,
                         std::function<void()> changed,
                         leader_book before)
    : at_{at},
      changed_{std::move(changed)},
      before_{std::move(before)},
      relist_timer_{at.loop.make_timer()} {
    // Members are listed last: "absent" counts only when read after the id was known, and ids are
    // known from plans and the view.
    begin();
    read_view();
    list_resources();
    list_commands();
    end();
}

void book_keeper::end() {
    if (--reading_ > 0) {
        return;
    }
    if (!std::exchange(members_listed_, true)) {
        list_members();
        return;
    }
    complete_ = true;
    changed_();
}

void book_keeper::look_again() {
    look_at_view();
    list_resources();
    list_commands();
    list_members();
    for (const auto& [name, resource] : book_.resources) {
        if (!resource.damaged.empty() || resource.lost) {
            read_again(name);
        } else if (!resource.unread) {
            look_at(name);
        }
    }
    for (const auto& [id, seen] : book_.members) {
        if (seen.status) {
            read_status(id);
        }
    }
}

// --- The view ------------------------------------------------------------------------------------

/// Head, names of the chunks, chunks: put together aside, and entered into the book as a whole.
void book_keeper::read_view() {
    if (std::exchange(reading_view_, true)) {
        view_stale_ = true;
        return;
    }
    begin();
    const std::string path = at_.where.view();
    reading::get(at_,
                 life_,
                 path,
                 {},
                 [this, path, before = book_.view_version](
                     const zookeeper::reply<zookeeper::node_data>& got) {
                     auto fresh = std::make_shared<read_of_view>();
                     fresh->before = before;
                     fresh->zxid = got.zxid;
                     if (got.ok()) {
                         fresh->version = got.value.meta.version;
                         if (auto head = decode<view_head>(got.value.data, path)) {
                             fresh->parts.take(std::move(*head));
                         } else {
                             fresh->damaged = head.error().text;
                         }
                         list_view_chunks(fresh);
                     } else {
                         enter_view(*fresh);
                     }
                     end();
                 });
}

void book_keeper::list_view_chunks(const std::shared_ptr<read_of_view>& fresh) {
    begin();
    reading::children(at_,
                      life_,
                      at_.where.view(),
                      {},
                      [this, fresh](const zookeeper::reply<zookeeper::node_children>& got) {
                          for (const std::string& child : got.value.names) {
                              const auto index = base::parse_int64(child);
                              if (index && *index >= 0 && std::to_string(*index) == child) {
                                  fresh->chunks.emplace(static_cast<std::size_t>(*index), 0);
                              }
                          }
                          read_view_chunks(fresh);
                          end();
                      });
}

/// Also those of which the head says nothing: one day they are written again.
void book_keeper::read_view_chunks(const std::shared_ptr<read_of_view>& fresh) {
    if (fresh->chunks.empty()) {
        enter_view(*fresh);
        return;
    }
    fresh->left = fresh->chunks.size();
    for (auto& [index, version] : fresh->chunks) {
        begin();
        const std::string path = at_.where.view_chunk(index);
        auto seen = [this, path, fresh, index, &version](
                        const zookeeper::reply<zookeeper::node_data>& got) {
            version = got.value.meta.version;
            const bool listed = index < fresh->parts.head().chunks.size();
            auto chunk = got.ok() ? decode<view_chunk>(got.value.data, path)
                                  : fail(errc::unavailable, path + ": " + got.text);
            if (!chunk && listed) {
                fresh->damaged = chunk.error().text;
            } else if (listed) {
                fresh->parts.take(index, std::move(*chunk));
            }
            if (--fresh->left == 0) {
                enter_view(*fresh);
            }
            end();
        };
        reading::get(at_, life_, path, {}, std::move(seen));
    }
}

/// What is damaged is made anew of who is there, with the marks that were known.
void book_keeper::enter_view(read_of_view& fresh) {
    reading_view_ = false;
    auto whole = fresh.parts.whole();
    const bool torn = !whole && whole.error().code == errc::unavailable && fresh.damaged.empty();
    const bool wrote_meanwhile = fresh.before != book_.view_version;
    if (std::exchange(view_stale_, false) || wrote_meanwhile || (torn && view_tries_++ < 2)) {
        read_view();
        return;
    }
    view_tries_ = 0;
    if (!whole && fresh.damaged.empty()) {
        fresh.damaged = whole.error().text;
    }
    if (complete_ && fresh.damaged.empty()) {
        fresh.damaged = at_.where.view() + ": somebody has written there who does not lead";
    }
    rereads_ += complete_ ? 1 : 0;
    book_.view_version = fresh.version;
    book_.view_chunks = std::move(fresh.chunks);
    book_.view_zxid = fresh.zxid;
    book_.view_damaged = !fresh.damaged.empty();
    if (!book_.view_damaged) {
        book_.view = std::move(*whole);
        book_.stored_view = std::move(fresh.parts);
        return;
    }
    at_.log(log_level::error, "view.damaged", fresh.damaged);
    if (!complete_) {
        book_.view = before_.view.number > 0 ? std::move(before_.view) : what_is_left(fresh.parts);
    }
    book_.view.number = std::max(book_.view.number, fresh.parts.head().number);
    book_.stored_view = {};
}

/// Nobody but the leader writes it; yet somebody may have, by hand.
void book_keeper::look_at_view() {
    const auto compare = [this](const std::string& path, std::function<std::int32_t()> known) {
        begin();
        auto seen = [this, known = std::move(known)](const zookeeper::reply<zookeeper::stat>& got) {
            if ((got.ok() ? got.value.version : -1) != known()) {
                read_view();
            }
            end();
        };
        reading::exists(at_, life_, path, {}, std::move(seen));
    };
    compare(at_.where.view(), [this] { return book_.view_version; });
    for (const auto& [index, version] : book_.view_chunks) {
        compare(at_.where.view_chunk(index), [this, at = index] {
            const auto known = book_.view_chunks.find(at);
            return known == book_.view_chunks.end() ? -1 : known->second;
        });
    }
}

// --- Resources -----------------------------------------------------------------------------------

void book_keeper::list_resources() {
    begin();
    auto changed = life_.wrap([this, turn = ++resources_turn_](const zookeeper::watch_event&) {
        if (turn == resources_turn_) {
            list_resources();
        }
    });
    reading::children(at_,
                      life_,
                      at_.where.resources(),
                      std::move(changed),
                      [this](zookeeper::reply<zookeeper::node_children> got) {
                          for (const std::string& child : got.value.names) {
                              const auto name = base::percent_decode(child);
                              if (name && !book_.resources.contains(*name)) {
                                  if (const auto was = before_.resources.find(*name);
                                      was != before_.resources.end()) {
                                      book_.resources[*name].whole = std::move(was->second.whole);
                                  }
                                  read_resource(*name);
                              }
                          }
                          end();
                      });
}

/// Specification, head, chunks: put together aside, and entered into the book as a whole.
void book_keeper::read_resource(const std::string& name) {
    book_.resources[name].unread = true;
    begin();
    const std::string path = at_.where.resource(name);
    reading::get(
        at_, life_, path, {}, [this, name, path](zookeeper::reply<zookeeper::node_data> got) {
            auto fresh = std::make_shared<book_resource>();
            auto spec = got.ok() ? decode<specification>(got.value.data, path)
                                 : fail(errc::unavailable, path + ": " + got.text);
            if (spec) {
                fresh->spec = std::move(*spec);
                read_head(name, fresh);
            } else {
                fresh->damaged = spec.error().text;
                enter(name, *fresh);
            }
            end();
        });
}

void book_keeper::read_head(const std::string& name, const std::shared_ptr<book_resource>& fresh) {
    begin();
    const std::string path = at_.where.plan(name);
    reading::get(at_,
                 life_,
                 path,
                 {},
                 [this, name, path, fresh](zookeeper::reply<zookeeper::node_data> got) {
                     auto head = got.ok() ? decode<plan_head>(got.value.data, path)
                                          : fail(errc::unavailable, path + ": " + got.text);
                     fresh->read_zxid = got.zxid;
                     if (head) {
                         fresh->head_version = got.value.meta.version;
                         fresh->whole.number = head->number;
                         fresh->whole.since = head->since;
                         fresh->whole.fresh = head->fresh;
                         fresh->whole.chunks.assign(head->chunks.size(), {});
                         read_chunks(name, *head, fresh);
                     } else {
                         fresh->lost = got.refused_with(zk_error::no_node);
                         fresh->damaged = fresh->lost ? "" : head.error().text;
                         enter(name, *fresh);
                     }
                     end();
                 });
}

void book_keeper::read_chunks(const std::string& name,
                              const plan_head& head,
                              const std::shared_ptr<book_resource>& fresh) {
    if (head.chunks.empty()) {
        enter(name, *fresh);
        return;
    }
    const auto left = std::make_shared<std::size_t>(head.chunks.size());
    for (std::size_t i = 0; i < head.chunks.size(); ++i) {
        begin();
        const std::string path = at_.where.chunk(name, i);
        auto seen = [this, name, path, i, fresh, left, least = head.chunks[i]](
                        zookeeper::reply<zookeeper::node_data> got) {
            auto chunk = got.ok() ? decode_chunk(got.value.data, path, fresh->spec, i)
                                  : fail(errc::unavailable, path + ": " + got.text);
            if (!chunk) {
                fresh->damaged = chunk.error().text;
            } else if (chunk->number < least) {
                fresh->damaged = path + ": is older than the head of the plan says";
            } else {
                fresh->whole.chunks[i] = std::move(*chunk);
            }
            if (--*left == 0) {
                enter(name, *fresh);
            }
            end();
        };
        reading::get(at_, life_, path, {}, std::move(seen));
    }
}

/// What is damaged leaves in the book what had been read before: it names a list's partitions.
void book_keeper::enter(const std::string& name, book_resource& fresh) {
    book_resource& mine = book_.resources[name];
    mine.unread = false;
    if (!fresh.damaged.empty()) {
        if (std::exchange(mine.damaged, fresh.damaged) != fresh.damaged) {
            at_.log(log_level::error, "resource.damaged", fresh.damaged);
        }
        return;
    }
    if (fresh.lost) {
        if (!mine.lost) {
            at_.log(log_level::error, "plan.lost", lost_text(name, fresh.spec, mine.whole));
        }
        fresh.whole = std::move(mine.whole);
    }
    mine = std::move(fresh);
}

std::string book_keeper::lost_text(const std::string& name,
                                   const specification& spec,
                                   const plan& before) const {
    const std::string text = at_.where.plan(name) + " is missing though the resource is there: ";
    return spec.kind == resource_kind::list && before.chunks.empty()
               ? text +
                     "the names of its partitions are lost with it; it begins anew, empty, once "
                     "every member that serves it has ended"
               : text + "a new plan is begun, which waits for every member present";
}

/// Nobody but the leader writes plans; yet what is damaged may have been mended by hand, a plan may
/// have been deleted, and a resource removed.
void book_keeper::look_at(const std::string& name) {
    begin();
    const std::string path = at_.where.resource(name);
    reading::get(
        at_, life_, path, {}, [this, name, path](zookeeper::reply<zookeeper::node_data> got) {
            const auto spec = got.ok() ? decode<specification>(got.value.data, path)
                                       : fail(errc::unavailable, path + ": " + got.text);
            if (!spec || *spec != book_.resources[name].spec) {
                read_again(name);
            }
            end();
        });
    begin();
    reading::exists(
        at_, life_, at_.where.plan(name), {}, [this, name](zookeeper::reply<zookeeper::stat> got) {
            if (!got.ok() || got.value.version != book_.resources[name].head_version) {
                read_again(name);
            }
            end();
        });
}

void book_keeper::read_again(const std::string& name) {
    if (!book_.resources[name].unread) {
        ++rereads_;
        read_resource(name);
    }
}

// --- Commands ------------------------------------------------------------------------------------

void book_keeper::list_commands() {
    begin();
    auto changed = life_.wrap([this, turn = ++commands_turn_](const zookeeper::watch_event&) {
        if (turn == commands_turn_) {
            list_commands();
        }
    });
    reading::children(
        at_,
        life_,
        at_.where.commands(),
        std::move(changed),
        [this](zookeeper::reply<zookeeper::node_children> got) {
            std::map<std::string, book_command> kept;
            for (const std::string& child : got.value.names) {
                if (const auto old = book_.commands.find(in_order(child));
                    old != book_.commands.end()) {
                    kept.insert(*old);
                    continue;
                }
                begin();
                const std::string path = at_.where.commands() + "/" + child;
                reading::get(
                    at_,
                    life_,
                    path,
                    {},
                    [this, child, path](zookeeper::reply<zookeeper::node_data> data) {
                        auto command = decode_command(data.value.data, path);
                        if (data.ok() && command) {
                            book_.commands[in_order(child)] = {std::move(*command),
                                                               data.value.meta.version};
                        } else if (data.ok()) {
                            at_.log(log_level::warning, "command.damaged", command.error().text);
                        }
                        end();
                    });
            }
            book_.commands = std::move(kept);
            end();
        });
}

// --- Members -------------------------------------------------------------------------------------

void book_keeper::list_members() {
    if (listing_members_) {
        members_stale_ = true;
        return;
    }
    listing_members_ = true;
    begin();
    auto changed = life_.wrap([this](const zookeeper::watch_event&) { list_members(); });
    reading::children(at_,
                      life_,
                      at_.where.members(),
                      std::move(changed),
                      [this](zookeeper::reply<zookeeper::node_children> got) {
                          if (got.ok()) {
                              list_statuses(std::move(got.value.names));
                          }
                          end();
                      });
}

void book_keeper::list_statuses(std::vector<std::string> described) {
    begin();
    reading::children(
        at_,
        life_,
        at_.where.statuses(),
        {},
        [this, described = std::move(described)](zookeeper::reply<zookeeper::node_children> got) {
            listing_members_ = false;
            if (got.ok()) {
                compare(ids_of(described), ids_of(got.value.names));
            }
            if (std::exchange(members_stale_, false)) {
                list_members();
            }
            end();
        });
}

void book_keeper::compare(const std::set<member_id>& described,
                          const std::set<member_id>& with_status) {
    // A session that began or ended between the two lists shows in one of them: look once more
    // before calling it damage.
    const bool equal = described == with_status;
    unequal_lists_ = equal ? 0 : unequal_lists_ + 1;
    if (!equal && unequal_lists_ < 3) {
        relist_timer_->set(at_.loop.now() + 20ms, life_.wrap([this] { list_members(); }));
    }
    const bool trusted = equal || unequal_lists_ >= 3;
    for (const member_id id : described) {
        if (with_status.contains(id) || trusted) {
            add_member(id, true, with_status.contains(id));
        }
    }
    for (const member_id id : with_status) {
        if (!described.contains(id) && trusted) {
            add_member(id, false, true);
        }
    }
    drop_absent(described, with_status);
}

void book_keeper::add_member(member_id id, bool described, bool with_status) {
    seen_member& seen = book_.members[id];
    if (!described) {
        seen.described.reset();
    } else if (!seen.described) {
        read_descriptor(id);
    }
    if (!with_status) {
        seen.status.reset();
    } else if (!seen.status) {
        read_status(id);
    }
    if (present_.insert(id).second) {
        book_.last_join = at_.loop.now();
    }
}

void book_keeper::drop_absent(const std::set<member_id>& described,
                              const std::set<member_id>& with_status) {
    const auto absent = [&](member_id id) {
        return !described.contains(id) && !with_status.contains(id);
    };
    const std::set<member_id> named = named_ids(book_);
    for (const member_id id : named) {
        if (absent(id) && book_.gone.insert(id).second) {
            book_.gone_at.emplace(id, at_.loop.now());
            if (const auto was = book_.members.find(id);
                was != book_.members.end() && was->second.status) {
                book_.last_said.emplace(id, *was->second.status);
            }
        }
    }
    std::erase_if(book_.members, [&](const auto& one) { return absent(one.first); });
    std::erase_if(present_, absent);
    std::erase_if(book_.gone, [&](member_id id) { return !named.contains(id); });
    std::erase_if(book_.gone_at, [&](const auto& one) { return !named.contains(one.first); });
    std::erase_if(book_.last_said, [&](const auto& one) { return !named.contains(one.first); });
    std::erase_if(status_turns_, [&](const auto& one) { return absent(one.first); });
}

void book_keeper::read_descriptor(member_id id) {
    begin();
    const std::string path = at_.where.member(id);
    reading::get(
        at_, life_, path, {}, [this, id, path](zookeeper::reply<zookeeper::node_data> got) {
            const auto known = book_.members.find(id);
            if (got.ok() && known != book_.members.end()) {
                if (auto described = decode<descriptor>(got.value.data, path)) {
                    known->second.described = std::move(*described);
                } else {
                    at_.log(log_level::error, "member.damaged", described.error().text);
                }
            }
            end();
        });
}

void book_keeper::read_status(member_id id) {
    begin();
    const std::string path = at_.where.status(id);
    auto changed =
        life_.wrap([this, id, turn = ++status_turns_[id]](const zookeeper::watch_event& event) {
            if (event.type != zookeeper::event_type::deleted && book_.members.contains(id) &&
                status_turns_[id] == turn) {
                read_status(id);
            }
        });
    reading::get(at_,
                 life_,
                 path,
                 std::move(changed),
                 [this, id, path](zookeeper::reply<zookeeper::node_data> got) {
                     const auto known = book_.members.find(id);
                     if (got.ok() && known != book_.members.end()) {
                         if (auto status = decode<status_record>(got.value.data, path)) {
                             known->second.status = std::move(*status);
                         } else {
                             at_.log(log_level::error, "status.damaged", status.error().text);
                         }
                     }
                     end();
                 });
}

}  // namespace muster::cluster
