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

}  // namespace

book_keeper::book_keeper(const session_context& at, std::function<void()> changed)
    : at_{at}, changed_{std::move(changed)}, relist_timer_{at.loop.make_timer()} {
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
    list_resources();
    list_commands();
    list_members();
}

void book_keeper::read_view() {
    begin();
    const std::string path = at_.where.view();
    reading::get(at_, life_, path, {}, [this, path](zookeeper::reply<zookeeper::node_data> got) {
        if (got.ok()) {
            if (auto view = decode<view_record>(got.value.data, path)) {
                book_.view = std::move(*view);
            } else {
                at_.log(log_level::error, "view.damaged", view.error().text);
            }
            book_.view_version = got.value.meta.version;
        }
        book_.view_zxid = got.zxid;
        end();
    });
}

void book_keeper::list_resources() {
    begin();
    auto changed = life_.wrap([this](const zookeeper::watch_event&) { list_resources(); });
    reading::children(at_,
                      life_,
                      at_.where.resources(),
                      std::move(changed),
                      [this](zookeeper::reply<zookeeper::node_children> got) {
                          for (const std::string& child : got.value.names) {
                              if (const auto name = base::percent_decode(child);
                                  name && !book_.resources.contains(*name)) {
                                  book_.resources[*name].damaged = "not read yet";
                                  read_spec(*name);
                              }
                          }
                          end();
                      });
}

void book_keeper::damaged(const std::string& name, std::string why) {
    at_.log(log_level::error, "resource.damaged", why);
    book_.resources[name].damaged = std::move(why);
}

void book_keeper::read_spec(const std::string& name) {
    begin();
    const std::string path = at_.where.resource(name);
    reading::get(
        at_, life_, path, {}, [this, name, path](zookeeper::reply<zookeeper::node_data> got) {
            auto spec = got.ok() ? decode<specification>(got.value.data, path)
                                 : fail(errc::unavailable, path + ": " + got.text);
            if (spec) {
                book_.resources[name].spec = std::move(*spec);
                read_head(name);
            } else {
                damaged(name, spec.error().text);
            }
            end();
        });
}

void book_keeper::read_head(const std::string& name) {
    begin();
    const std::string path = at_.where.plan(name);
    reading::get(
        at_, life_, path, {}, [this, name, path](zookeeper::reply<zookeeper::node_data> got) {
            auto head = got.ok() ? decode<plan_head>(got.value.data, path)
                                 : fail(errc::unavailable, path + ": " + got.text);
            if (head) {
                book_resource& mine = book_.resources[name];
                mine.head_version = got.value.meta.version;
                mine.read_zxid = got.zxid;
                mine.whole.number = head->number;
                mine.whole.since = head->since;
                mine.whole.chunks.assign(head->chunks.size(), {});
                mine.damaged.clear();
                read_chunks(name, *head);
            } else {
                damaged(name, head.error().text);
            }
            end();
        });
}

void book_keeper::read_chunks(const std::string& name, const plan_head& head) {
    for (std::size_t i = 0; i < head.chunks.size(); ++i) {
        begin();
        const std::string path = at_.where.chunk(name, i);
        reading::get(at_,
                     life_,
                     path,
                     {},
                     [this, name, path, i](zookeeper::reply<zookeeper::node_data> got) {
                         book_resource& mine = book_.resources[name];
                         auto chunk = got.ok() ? decode_chunk(got.value.data, path, mine.spec, i)
                                               : fail(errc::unavailable, path + ": " + got.text);
                         if (chunk) {
                             mine.whole.chunks[i] = std::move(*chunk);
                         } else {
                             damaged(name, chunk.error().text);
                         }
                         end();
                     });
    }
}

void book_keeper::list_commands() {
    begin();
    auto changed = life_.wrap([this](const zookeeper::watch_event&) { list_commands(); });
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
        }
    }
    std::erase_if(book_.members, [&](const auto& one) { return absent(one.first); });
    std::erase_if(present_, absent);
    std::erase_if(book_.gone, [&](member_id id) { return !named.contains(id); });
    std::erase_if(book_.gone_at, [&](const auto& one) { return !named.contains(one.first); });
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
    auto changed = life_.wrap([this, id](const zookeeper::watch_event& event) {
        if (event.type != zookeeper::event_type::deleted && book_.members.contains(id)) {
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
