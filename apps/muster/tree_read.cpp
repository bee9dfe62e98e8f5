#include "tree_read.hpp"

#include "base/text.hpp"
#include "cluster/codec.hpp"
#include "cluster/plan/rules.hpp"

#include <utility>

namespace muster::cli {

using zookeeper::outcome;
using zookeeper::zk_error;

namespace {
constexpr unsigned most_tries = 5;  ///< of reading what changes while it is read
}  // namespace

tree_read::tree_read(runtime::loop& at,
                     zookeeper::client& zk,
                     const std::string& cluster,
                     instant deadline,
                     callback<result<picture>> done)
    : loop_{at},
      zk_{zk},
      where_{cluster},
      deadline_{deadline},
      done_{std::move(done)},
      began_{at.now()} {
    made_.cluster = cluster;
    begin();
    get(where_.root(), [this](const data_reply& got) { root_read(got); });
    end();
}

void tree_read::end() {
    if (--under_way_ == 0 && !over_) {
        made_.read_unix_ms = loop_.unix_ms();
        // A place in the succession is older than the leadership that grew out of it.
        if (made_.leader && made_.view && made_.view->leader == made_.leader->id &&
            made_.view->since_unix_ms > 0) {
            made_.leader->since_unix_ms = made_.view->since_unix_ms;
        }
        finish(std::move(made_));
    }
}

void tree_read::finish(result<picture> how) {
    if (!std::exchange(over_, true)) {
        loop_.post(life_.wrap([this, how = std::move(how)]() mutable { done_(std::move(how)); }));
    }
}

template <class Reply>
bool tree_read::settle(const Reply& got, const std::string& path) {
    if (got.ok() || got.refused_with(zk_error::no_node)) {
        return false;
    }
    if (got.how == outcome::refused) {
        const bool credentials =
            got.error == zk_error::no_auth || got.error == zk_error::auth_failed;
        finish(fail(credentials ? errc::not_authorized : errc::unavailable,
                    "could not read " + path + ": " + got.text));
        return false;
    }
    if (loop_.now() >= deadline_) {
        finish(fail(errc::timed_out, "could not read " + path + ": " + got.text));
        return false;
    }
    return true;
}

void tree_read::get(const std::string& path, std::function<void(const data_reply&)> then) {
    begin();
    zk_.get(path,
            {},
            deadline_,
            life_.wrap([this, path, then = std::move(then)](const data_reply& got) {
                if (over_) {
                    return;
                }
                if (settle(got, path)) {
                    get(path, then);
                } else if (!over_) {
                    then(got);
                }
                end();
            }));
}

void tree_read::list(const std::string& path, std::function<void(const children_reply&)> then) {
    begin();
    zk_.children(path,
                 {},
                 deadline_,
                 life_.wrap([this, path, then = std::move(then)](const children_reply& got) {
                     if (over_) {
                         return;
                     }
                     if (settle(got, path)) {
                         list(path, then);
                     } else if (!over_) {
                         then(got);
                     }
                     end();
                 }));
}

template <class Record>
bool tree_read::decode_into(const data_reply& got,
                            const std::string& path,
                            const std::function<void(Record)>& keep) {
    if (!got.ok()) {
        return false;
    }
    auto record = cluster::decode<Record>(got.value.data, path);
    if (!record) {
        made_.troubles.push_back(record.error().text);
        return false;
    }
    keep(std::move(*record));
    return true;
}

void tree_read::root_read(const data_reply& got) {
    made_.round_trip = std::chrono::duration_cast<std::chrono::microseconds>(got.acked - got.sent);
    made_.exists = got.ok() && !got.value.data.empty();
    const bool understood = decode_into<cluster::root_record>(
        got, where_.root(), [this](const cluster::root_record& root) {
            made_.incarnation = root.incarnation;
            made_.frozen = root.frozen;
        });
    if (understood) {
        read_members();
        read_succession();
        read_view(std::make_shared<cluster::view_parts>(), most_tries);
        read_resources();
    }
}

void tree_read::read_members() {
    list(where_.members(), [this](const children_reply& got) {
        for (const std::string& child : got.value.names) {
            if (const auto id = member_id::parse(child)) {
                const std::string path = where_.member(*id);
                get(path, [this, path, id = *id](const data_reply& data) {
                    decode_into<cluster::descriptor>(data, path, [&](cluster::descriptor one) {
                        made_.members.emplace(id, std::move(one));
                    });
                });
            }
        }
    });
    list(where_.statuses(), [this](const children_reply& got) {
        for (const std::string& child : got.value.names) {
            if (const auto id = member_id::parse(child)) {
                const std::string path = where_.status(*id);
                get(path, [this, path, id = *id](const data_reply& data) {
                    decode_into<cluster::status_record>(
                        data, path, [&](cluster::status_record one) {
                            made_.statuses.emplace(id, std::move(one));
                        });
                });
            }
        }
    });
}

void tree_read::read_succession() {
    list(where_.succession(), [this](const children_reply& got) {
        std::optional<cluster::succession_name> lowest;
        std::string name;
        for (const std::string& child : got.value.names) {
            const auto one = cluster::parse_succession(child);
            if (one && (!lowest || one->sequence < lowest->sequence)) {
                lowest = one;
                name = child;
            }
        }
        if (!lowest) {
            return;
        }
        get(where_.succession() + "/" + name, [this, id = lowest->id](const data_reply& data) {
            if (data.ok()) {
                made_.leader = leader_facts{
                    .id = id,
                    .epoch = cluster::token_of(made_.incarnation, data.value.meta.czxid).value(),
                    .since_unix_ms = data.value.meta.ctime};
            } else {
                read_succession();  // It has gone between the two reads: the next one leads.
            }
        });
    });
}

void tree_read::read_view(const std::shared_ptr<cluster::view_parts>& parts, unsigned tries) {
    get(where_.view(), [this, parts, tries](const data_reply& got) {
        decode_into<cluster::view_head>(got, where_.view(), [&](cluster::view_head head) {
            const auto to_read = parts->take(std::move(head));
            const auto left = std::make_shared<std::size_t>(to_read.size());
            const auto damaged = std::make_shared<bool>(false);
            if (to_read.empty()) {
                assemble_view(parts, tries);
            }
            for (const std::size_t index : to_read) {
                const std::string path = where_.view_chunk(index);
                get(path, [this, path, parts, left, damaged, index, tries](const data_reply& data) {
                    const bool read =
                        decode_into<cluster::view_chunk>(data, path, [&](cluster::view_chunk one) {
                            parts->take(index, std::move(one));
                        });
                    *damaged = *damaged || (data.ok() && !read);
                    if (--*left == 0) {
                        assemble_view(parts, *damaged ? 0 : tries);
                    }
                });
            }
        });
    });
}

void tree_read::assemble_view(const std::shared_ptr<cluster::view_parts>& parts, unsigned tries) {
    auto whole = parts->whole();
    if (whole) {
        made_.view = std::move(*whole);
    } else if (tries > 0 && whole.error().code == errc::unavailable) {
        read_view(parts, tries - 1);
    } else {
        made_.troubles.push_back(where_.view() + ": " + whole.error().text);
    }
}

void tree_read::read_resources() {
    list(where_.resources(), [this](const children_reply& got) {
        for (const std::string& child : got.value.names) {
            read_resource(child);
        }
    });
}

void tree_read::read_resource(const std::string& child) {
    const auto name = base::percent_decode(child);
    if (!name) {
        return;
    }
    const std::string path = where_.resource(*name);
    get(path, [this, path, name = *name](const data_reply& got) {
        decode_into<cluster::specification>(got, path, [&](cluster::specification spec) {
            const bool buried = spec.tombstone;
            made_.resources[name].spec = std::move(spec);
            if (!buried) {
                read_plan(name, most_tries);
            }
        });
    });
}

void tree_read::read_plan(const std::string& name, unsigned tries) {
    const std::string path = where_.plan(name);
    get(path, [this, path, name, tries](const data_reply& got) {
        if (!got.ok()) {
            made_.resources[name].trouble = "there is no plan yet";
            return;
        }
        decode_into<cluster::plan_head>(got, path, [&](const cluster::plan_head& head) {
            auto chunks = std::make_shared<std::vector<cluster::plan_chunk>>(head.chunks.size());
            auto left = std::make_shared<std::size_t>(head.chunks.size());
            if (head.chunks.empty()) {
                assemble(name, head, chunks, tries);
            }
            for (std::size_t i = 0; i < head.chunks.size(); ++i) {
                const std::string place = where_.chunk(name, i);
                get(place,
                    [this, place, name, head, chunks, left, tries, i](const data_reply& data) {
                        if (data.ok()) {
                            auto one = cluster::decode_chunk(
                                data.value.data, place, made_.resources[name].spec, i);
                            if (one) {
                                (*chunks)[i] = std::move(*one);
                            } else {
                                made_.troubles.push_back(one.error().text);
                            }
                        }
                        if (--*left == 0) {
                            assemble(name, head, chunks, tries);
                        }
                    });
            }
        });
    });
}

void tree_read::assemble(const std::string& name,
                         const cluster::plan_head& head,
                         std::shared_ptr<std::vector<cluster::plan_chunk>> chunks,
                         unsigned tries) {
    resource_facts& facts = made_.resources[name];
    auto whole = cluster::assemble(facts.spec, head, *chunks);
    if (whole) {
        facts.plan = std::move(*whole);
        facts.trouble.clear();
    } else if (tries > 0 && whole.error().code == errc::unavailable) {
        read_plan(name, tries - 1);
    } else {
        facts.trouble = whole.error().text;
        made_.troubles.push_back(whole.error().text);
    }
}

}  // namespace muster::cli
