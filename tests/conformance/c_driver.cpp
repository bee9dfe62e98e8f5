// Drives the official C client by the lines of clients.py's DriverClient.

#include "driver_lines.hpp"

#include <zookeeper/zookeeper.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using muster::conformance::acl_items;
using muster::conformance::answer;
using muster::conformance::fields_of;
using muster::conformance::joined;
using muster::conformance::quote;

using arguments = std::vector<std::string>;

std::mutex output;

void say_locked(const arguments& fields) {
    const std::lock_guard lock{output};
    muster::conformance::say(fields);
}

void send(const answer& what) {
    arguments line{"="};
    line.insert(line.end(), what.fields.begin(), what.fields.end());
    say_locked(line);
}

std::string stat_text(const Stat& of) {
    std::string text;
    for (const std::int64_t number : {of.czxid,
                                      of.mzxid,
                                      of.ctime,
                                      of.mtime,
                                      static_cast<std::int64_t>(of.version),
                                      static_cast<std::int64_t>(of.cversion),
                                      static_cast<std::int64_t>(of.aversion),
                                      of.ephemeralOwner,
                                      static_cast<std::int64_t>(of.dataLength),
                                      static_cast<std::int64_t>(of.numChildren),
                                      of.pzxid}) {
        text += (text.empty() ? "" : ",") + std::to_string(number);
    }
    return text;
}

/// An ACL in the C client's form; the texts live as long as it does.
struct c_acl {
    explicit c_acl(const std::string& text) : items(acl_items(text)) {
        for (auto& item : items) {
            entries.push_back(ACL{item.permissions, Id{item.scheme.data(), item.id.data()}});
        }
        vector = ACL_vector{static_cast<std::int32_t>(entries.size()), entries.data()};
    }
    std::vector<muster::conformance::acl_item> items;
    std::vector<ACL> entries;
    ACL_vector vector{};
};

const std::map<std::string, int> modes{{"p", ZOO_PERSISTENT},
                                       {"e", ZOO_EPHEMERAL},
                                       {"ps", ZOO_PERSISTENT_SEQUENTIAL},
                                       {"es", ZOO_EPHEMERAL_SEQUENTIAL},
                                       {"c", ZOO_CONTAINER},
                                       {"t", ZOO_PERSISTENT_WITH_TTL},
                                       {"ts", ZOO_PERSISTENT_SEQUENTIAL_WITH_TTL}};

struct session {
    std::string name;
    zhandle_t* link = nullptr;
    clientid_t id{};
    std::mutex lock;
    std::condition_variable changed;
    int state = 0;
    /// What its watches were told since the last `pass`: the library calls each watch that one
    /// event concerns. The thread of its callbacks only.
    std::set<std::pair<int, std::string>> heard;
};

void on_session(zhandle_t*, int type, int state, const char*, void* context) {
    auto* one = static_cast<session*>(context);
    if (type == ZOO_SESSION_EVENT) {
        const std::lock_guard lock{one->lock};
        one->state = state;
        one->changed.notify_all();
    }
}

void on_watch(zhandle_t*, int type, int, const char* path, void* context) {
    auto* one = static_cast<session*>(context);
    if (type >= 1 && type <= 4 && one->heard.emplace(type, path).second) {
        say_locked({"!", one->name, std::to_string(type), path});
    }
}

/// Waits until every callback that stands before it in the library's line has run: what is heard
/// from then on is another event. Answers with the error of a sync.
int pass(session& one, const char* path) {
    struct waiting {
        session* of = nullptr;
        std::promise<int> error;
    };
    // Its own until the callback has run, which may be after nobody waits any more.
    auto* state = new waiting{&one, {}};
    auto answered = state->error.get_future();
    const auto finished = [](int error, const char*, const void* data) {
        const std::unique_ptr<waiting> to{static_cast<waiting*>(const_cast<void*>(data))};
        to->of->heard.clear();
        to->error.set_value(error);
    };
    if (const int error = zoo_async(one.link, path, finished, state); error != ZOK) {
        delete state;
        return error;
    }
    const bool in_time = answered.wait_for(std::chrono::seconds{15}) == std::future_status::ready;
    return in_time ? answered.get() : ZOPERATIONTIMEOUT;
}

class driver {
public:
    explicit driver(std::string hosts) : hosts_(std::move(hosts)) {}

    void line(const std::string& text) {
        arguments fields = fields_of(text, '\t');
        const std::string verb = fields[0];
        const std::string name = fields[1];
        fields.erase(fields.begin(), fields.begin() + 2);
        if (verb == "open") {
            return open(name, fields);
        }
        const auto at = sessions_.find(name);
        if (at == sessions_.end() || at->second->link == nullptr) {
            return say_locked({"na"});
        }
        session& one = *at->second;
        if (!(change(one, verb, fields) || read(one, verb, fields))) {
            say_locked({"na"});
        }
    }

    void end() {
        for (auto& [name, one] : sessions_) {
            if (one->link != nullptr) {
                zookeeper_close(one->link);
            }
        }
    }

private:
    void open(const std::string& name, const arguments& args) {
        if (std::atoi(args[0].c_str()) < 500) {
            return say_locked({"na"});  // it applies what it asked for to its own connecting
        }
        auto one = std::make_unique<session>();
        one->name = name;
        const clientid_t* resume = nullptr;
        if (!args[1].empty()) {
            resume = &sessions_.at(args[1])->id;
        }
        one->link = zookeeper_init(
            hosts_.c_str(), on_session, std::atoi(args[0].c_str()), resume, one.get(), 0);
        {
            std::unique_lock lock{one->lock};
            one->changed.wait_for(lock, std::chrono::seconds{15}, [&] {
                return one->state == ZOO_CONNECTED_STATE || one->state == ZOO_EXPIRED_SESSION_STATE;
            });
        }
        if (one->state != ZOO_CONNECTED_STATE) {
            send(answer{one->state == ZOO_EXPIRED_SESSION_STATE ? ZSESSIONEXPIRED
                                                                : ZCONNECTIONLOSS});
        } else {
            one->id = *zoo_client_id(one->link);
            send(answer{0}
                     .with("number", std::to_string(zoo_recv_timeout(one->link)))
                     .with("session", std::to_string(one->id.client_id)));
        }
        graves_.push_back(std::exchange(sessions_[name], std::move(one)));
    }

    bool change(session& one, const std::string& verb, const arguments& args) {
        if (verb == "create" || verb == "create1") {
            c_acl access{args[3]};
            char path[512];
            Stat meta{};
            const auto size = static_cast<int>(args[1].size());
            const int mode = modes.at(args[2]);
            const bool old = verb == "create1";
            const int error =
                old ? zoo_create(one.link,
                                 args[0].c_str(),
                                 args[1].data(),
                                 size,
                                 &access.vector,
                                 mode,
                                 path,
                                 sizeof path)
                    : zoo_create2_ttl(one.link,
                                      args[0].c_str(),
                                      args[1].data(),
                                      size,
                                      &access.vector,
                                      mode,
                                      args[2][0] == 't' ? std::atoll(args[4].c_str()) : -1,
                                      path,
                                      sizeof path,
                                      &meta);
            answer text{error};
            if (error == ZOK) {
                text.with("path", path);
                if (!old) {
                    text.with("stat", stat_text(meta));
                }
            }
            send(text);
        } else if (verb == "delete") {
            send(answer{zoo_delete(one.link, args[0].c_str(), std::atoi(args[1].c_str()))});
        } else if (verb == "set") {
            Stat meta{};
            const int error = zoo_set2(one.link,
                                       args[0].c_str(),
                                       args[1].data(),
                                       static_cast<int>(args[1].size()),
                                       std::atoi(args[2].c_str()),
                                       &meta);
            answer text{error};
            if (error == ZOK) {
                text.with("stat", stat_text(meta));
            }
            send(text);
        } else if (verb == "setacl") {
            // It answers without the stat.
            c_acl access{args[1]};
            send(answer{zoo_set_acl(
                one.link, args[0].c_str(), std::atoi(args[2].c_str()), &access.vector)});
        } else if (verb == "auth") {
            send(answer{authenticate(one, args)});
        } else if (verb == "close") {
            send(answer{zookeeper_close(one.link)});
            one.link = nullptr;
        } else if (verb == "multi") {
            return multi(one, args);
        } else {
            return false;
        }
        return true;
    }

    struct waiting {
        std::mutex lock;
        std::condition_variable changed;
        bool done = false;
        int error = 0;
    };

    static int authenticate(session& one, const arguments& args) {
        // The library keeps the pointer, and calls again after a reconnect.
        static std::vector<std::unique_ptr<waiting>> all;
        waiting& state = *all.emplace_back(std::make_unique<waiting>());
        const auto finished = [](int error, const void* data) {
            auto* to = static_cast<waiting*>(const_cast<void*>(data));
            const std::lock_guard lock{to->lock};
            to->error = error;
            to->done = true;
            to->changed.notify_all();
        };
        zoo_add_auth(one.link,
                     args[0].c_str(),
                     args[1].data(),
                     static_cast<int>(args[1].size()),
                     finished,
                     &state);
        std::unique_lock lock{state.lock};
        state.changed.wait_for(lock, std::chrono::seconds{10}, [&] { return state.done; });
        return state.done ? state.error : ZOPERATIONTIMEOUT;
    }

    bool multi(session& one, const arguments& args) {
        struct operation {
            arguments parts;
            std::unique_ptr<c_acl> access;
            char path[512] = {};
            Stat meta{};
        };
        std::vector<std::unique_ptr<operation>> kept;
        std::vector<zoo_op_t> ops(args.size());
        std::vector<zoo_op_result_t> results(args.size());
        for (std::size_t i = 0; i < args.size(); ++i) {
            auto& op = *kept.emplace_back(std::make_unique<operation>());
            op.parts = fields_of(args[i], '\t');
            const std::string& kind = op.parts[0];
            if (kind == "create") {
                if (op.parts[3].find_first_of("ct") != std::string::npos) {
                    return false;
                }
                op.access = std::make_unique<c_acl>(op.parts[4]);
                zoo_create_op_init(&ops[i],
                                   op.parts[1].c_str(),
                                   op.parts[2].data(),
                                   static_cast<int>(op.parts[2].size()),
                                   &op.access->vector,
                                   modes.at(op.parts[3]),
                                   op.path,
                                   sizeof op.path);
            } else if (kind == "delete") {
                zoo_delete_op_init(&ops[i], op.parts[1].c_str(), std::atoi(op.parts[2].c_str()));
            } else if (kind == "set") {
                zoo_set_op_init(&ops[i],
                                op.parts[1].c_str(),
                                op.parts[2].data(),
                                static_cast<int>(op.parts[2].size()),
                                std::atoi(op.parts[3].c_str()),
                                &op.meta);
            } else if (kind == "check") {
                zoo_check_op_init(&ops[i], op.parts[1].c_str(), std::atoi(op.parts[2].c_str()));
            } else {
                return false;
            }
        }
        if (ops.empty()) {
            return false;
        }
        const int failed =
            zoo_multi(one.link, static_cast<int>(ops.size()), ops.data(), results.data());
        answer text{0};
        for (std::size_t i = 0; i < ops.size(); ++i) {
            answer part{results[i].err};
            if (failed == ZOK && kept[i]->parts[0] == "create") {
                part.with("path", kept[i]->path);
            }
            if (failed == ZOK && kept[i]->parts[0] == "set") {
                part.with("stat", stat_text(kept[i]->meta));
            }
            text.with("result", joined(part.fields));
        }
        send(text);
        return true;
    }

    bool read(session& one, const std::string& verb, const arguments& args) {
        const bool watched = args.size() > 1 && args[1] == "1";
        if (watched) {
            pass(one, "/");
        }
        const watcher_fn hearer = watched ? on_watch : nullptr;
        Stat meta{};
        if (verb == "exists") {
            answer text{zoo_wexists(one.link, args[0].c_str(), hearer, &one, &meta)};
            send(text.fields[0] == "0" ? text.with("stat", stat_text(meta)) : text);
        } else if (verb == "get") {
            std::vector<char> data(2U << 20);
            int size = static_cast<int>(data.size());
            answer text{
                zoo_wget(one.link, args[0].c_str(), hearer, &one, data.data(), &size, &meta)};
            if (text.fields[0] == "0") {
                text.with("data",
                          std::string_view{data.data(),
                                           static_cast<std::size_t>(size < 0 ? 0 : size)})
                    .with("stat", stat_text(meta));
            }
            send(text);
        } else if (verb == "children") {
            String_vector names{};
            answer text{zoo_wget_children2(one.link, args[0].c_str(), hearer, &one, &names, &meta)};
            if (text.fields[0] == "0") {
                std::string list;
                for (int i = 0; i < names.count; ++i) {
                    list += (list.empty() ? "" : ",") + quote(names.data[i]);
                }
                text.with("names", list).with("stat", stat_text(meta));
                deallocate_String_vector(&names);
            }
            send(text);
        } else {
            return read_access(one, verb, args);
        }
        return true;
    }

    bool read_access(session& one, const std::string& verb, const arguments& args) {
        if (verb == "getacl") {
            ACL_vector access{};
            Stat meta{};
            answer text{zoo_get_acl(one.link, args[0].c_str(), &access, &meta)};
            if (text.fields[0] == "0") {
                std::string list;
                for (int i = 0; i < access.count; ++i) {
                    const ACL& entry = access.data[i];
                    list += (list.empty() ? "" : " ") + std::to_string(entry.perms) + "," +
                            entry.id.scheme + "," + quote(entry.id.id);
                }
                text.with("acl", list).with("stat", stat_text(meta));
                deallocate_ACL_vector(&access);
            }
            send(text);
        } else if (verb == "sync") {
            send(answer{pass(one, args[0].c_str())});
        } else if (verb == "removewatch") {
            const ZooWatcherType which = args[1] == "data"       ? ZWATCHTYPE_DATA
                                         : args[1] == "children" ? ZWATCHTYPE_CHILD
                                                                 : ZWATCHTYPE_ANY;
            send(answer{zoo_remove_all_watches(one.link, args[0].c_str(), which, 0)});
        } else {
            return false;
        }
        return true;
    }

    std::string hosts_;
    std::map<std::string, std::unique_ptr<session>> sessions_;
    /// Sessions whose name was given to another: their callbacks may still come.
    std::vector<std::unique_ptr<session>> graves_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        return 2;
    }
    zoo_set_debug_level(static_cast<ZooLogLevel>(0));
    driver one{argv[1]};
    for (std::string line; std::getline(std::cin, line);) {
        one.line(line);
    }
    one.end();
    return 0;
}
