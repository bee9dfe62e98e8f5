// Drives our own client by the lines of clients.py's DriverClient.
//
// Everything but reading the lines happens on one loop, answers and events included, so their
// order in the output is the order in which the client told them.

#include "base/text.hpp"
#include "driver_lines.hpp"
#include "runtime/real.hpp"
#include "zookeeper/client.hpp"

#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace muster;
using namespace muster::zookeeper;
using conformance::acl_items;
using conformance::fields_of;
using conformance::say;

using arguments = std::vector<std::string>;

std::string stat_text(const stat& of) {
    std::string text;
    for (const std::int64_t number : {of.czxid,
                                      of.mzxid,
                                      of.ctime,
                                      of.mtime,
                                      static_cast<std::int64_t>(of.version),
                                      static_cast<std::int64_t>(of.cversion),
                                      static_cast<std::int64_t>(of.aversion),
                                      of.ephemeral_owner,
                                      static_cast<std::int64_t>(of.data_length),
                                      static_cast<std::int64_t>(of.num_children),
                                      of.pzxid}) {
        text += (text.empty() ? "" : ",") + std::to_string(number);
    }
    return text;
}

template <class T>
conformance::answer begin_answer(const reply<T>& got) {
    switch (got.how) {
        case outcome::done:
            return conformance::answer{0};
        case outcome::refused:
            return conformance::answer{static_cast<int>(got.error)};
        default:
            break;
    }
    return conformance::answer{static_cast<int>(zk_error::connection_loss)};
}

acl acl_of(const std::string& text) {
    acl access;
    for (const auto& item : acl_items(text)) {
        access.push_back(acl_entry{item.permissions, item.scheme, item.id});
    }
    return access;
}

std::string acl_text(const acl& access) {
    std::string text;
    for (const acl_entry& entry : access) {
        text += (text.empty() ? "" : " ") + std::to_string(entry.permissions) + "," + entry.scheme +
                "," + conformance::quote(entry.id);
    }
    return text;
}

create_op create_of(const arguments& args, std::size_t at) {
    static const std::map<std::string, create_mode> modes{
        {"p", create_mode::persistent},
        {"e", create_mode::ephemeral},
        {"ps", create_mode::persistent_sequential},
        {"es", create_mode::ephemeral_sequential},
        {"c", create_mode::container},
        {"t", create_mode::persistent_with_ttl},
        {"ts", create_mode::persistent_sequential_with_ttl}};
    create_op made;
    made.path = args[at];
    made.data = args[at + 1];
    made.mode = modes.at(args[at + 2]);
    made.access = acl_of(args[at + 3]);
    made.ttl = std::chrono::milliseconds{base::parse_int64(args[at + 4]).value_or(0)};
    return made;
}

std::int32_t version_of(const std::string& text) {
    return static_cast<std::int32_t>(base::parse_int64(text).value_or(-1));
}

std::optional<op> op_of(const std::string& text) {
    const arguments parts = fields_of(text, '\t');
    if (parts[0] == "create") {
        return create_of(parts, 1);
    }
    if (parts[0] == "delete") {
        return remove_op{parts[1], version_of(parts[2])};
    }
    if (parts[0] == "set") {
        return set_op{parts[1], parts[2], version_of(parts[3])};
    }
    if (parts[0] == "check") {
        return check_op{parts[1], version_of(parts[2])};
    }
    return std::nullopt;
}

class driver {
public:
    driver(std::shared_ptr<runtime::loop> loop, std::string hosts)
        : loop_(std::move(loop)), hosts_(std::move(hosts)) {}

    void line(const std::string& text) {
        arguments fields = fields_of(text, '\t');
        const std::string verb = std::move(fields[0]);
        const std::string name = std::move(fields[1]);
        fields.erase(fields.begin(), fields.begin() + 2);
        if (verb == "open") {
            return open(name, fields);
        }
        const auto at = sessions_.find(name);
        if (at == sessions_.end() || !at->second.link) {
            return verb == "close" ? conformance::answer{0}.send() : say({"na"});
        }
        if (verb == "drop") {
            at->second.link.reset();
            return conformance::answer{0}.send();
        }
        if (!(change(*at->second.link, verb, fields) ||
              read(*at->second.link, name, verb, fields) ||
              watch(*at->second.link, name, verb, fields))) {
            say({"na"});
        }
    }

    void end() { sessions_.clear(); }

private:
    struct session {
        std::unique_ptr<client> link;
        std::optional<session_ticket> ticket;
        bool answered = false;
    };

    [[nodiscard]] instant deadline() const { return loop_->now() + 15s; }

    void open(const std::string& name, const arguments& args) {
        client_options options;
        options.servers = *connect_string::parse(hosts_);
        options.session_timeout = std::chrono::milliseconds{*base::parse_int64(args[0])};
        if (!args[1].empty()) {
            options.resume = sessions_.at(args[1]).ticket;
        }
        session& one = sessions_[name];
        one = session{};
        one.link = client::start(loop_, std::move(options), [this, name](const session_change& to) {
            session& changed = sessions_.at(name);
            if (to.state == session_state::connected) {
                changed.ticket = changed.link->session();
            }
            if (changed.answered) {
                return;
            }
            if (to.state == session_state::connected) {
                changed.answered = true;
                conformance::answer{0}
                    .with("number", std::to_string(to.timeout.count()))
                    .with("session", std::to_string(to.session))
                    .send();
            } else if (to.state == session_state::expired) {
                changed.answered = true;
                conformance::answer{static_cast<int>(zk_error::session_expired)}.send();
            }
        });
    }

    client::on_event hearer(const std::string& name, bool wanted) {
        if (!wanted) {
            return {};
        }
        return [this, name](const watch_event& event) {
            if (static_cast<int>(event.type) > 0) {
                hear({"!", name, std::to_string(static_cast<int>(event.type)), event.path});
            }
        };
    }

    /// The watches of a session that one event concerns are called in a row, in one turn of the
    /// loop.
    void hear(const arguments& told) {
        if (heard_.empty()) {
            loop_->post([this] { heard_.clear(); });
        }
        if (heard_.insert(told).second) {
            say(told);
        }
    }

    template <class T>
    static client::done<T> plain() {
        return [](const reply<T>& got) { begin_answer(got).send(); };
    }

    static client::done<stat> with_stat() {
        return [](const reply<stat>& got) {
            auto text = begin_answer(got);
            if (got.ok()) {
                text.with("stat", stat_text(got.value));
            }
            text.send();
        };
    }

    bool change(client& link, const std::string& verb, const arguments& args) {
        if (verb == "create") {
            link.create(create_of(args, 0), deadline(), [](const reply<created>& got) {
                auto text = begin_answer(got);
                if (got.ok()) {
                    text.with("path", got.value.path).with("stat", stat_text(got.value.meta));
                }
                text.send();
            });
        } else if (verb == "delete") {
            link.remove(args[0], version_of(args[1]), deadline(), plain<nothing>());
        } else if (verb == "set") {
            link.set(args[0], args[1], version_of(args[2]), deadline(), with_stat());
        } else if (verb == "setacl") {
            link.set_acl(args[0], acl_of(args[1]), version_of(args[2]), deadline(), with_stat());
        } else if (verb == "auth") {
            link.add_auth(args[0], args[1], deadline(), plain<nothing>());
        } else if (verb == "close") {
            link.close(deadline(), plain<nothing>());
        } else if (verb == "multi") {
            return multi(link, args);
        } else {
            return false;
        }
        return true;
    }

    bool multi(client& link, const arguments& args) {
        std::vector<op> ops;
        const bool is_empty = args.size() == 1 && args[0].empty();
        for (const std::string& text : is_empty ? arguments{} : args) {
            auto one = op_of(text);
            if (!one) {
                return false;
            }
            ops.push_back(std::move(*one));
        }
        link.multi(std::move(ops), deadline(), [](const reply<std::vector<op_result>>& got) {
            const bool answered = got.ok() || (got.how == outcome::refused && !got.value.empty());
            auto text = answered ? conformance::answer{0} : begin_answer(got);
            if (got.ok() && got.value.empty()) {
                text.with("empty", "");
            }
            for (const op_result& one : got.value) {
                conformance::answer part{static_cast<int>(one.error)};
                if (!one.path.empty()) {
                    part.with("path", one.path);
                }
                if (one.meta.czxid != 0) {
                    part.with("stat", stat_text(one.meta));
                }
                text.with("result", conformance::joined(part.fields));
            }
            text.send();
        });
        return true;
    }

    bool read(client& link,
              const std::string& name,
              const std::string& verb,
              const arguments& args) {
        if (verb == "exists") {
            link.exists(args[0], hearer(name, args[1] == "1"), deadline(), with_stat());
        } else if (verb == "get") {
            link.get(
                args[0], hearer(name, args[1] == "1"), deadline(), [](const reply<node_data>& got) {
                    auto text = begin_answer(got);
                    if (got.ok()) {
                        text.with("data", got.value.data).with("stat", stat_text(got.value.meta));
                    }
                    text.send();
                });
        } else if (verb == "children") {
            link.children(args[0],
                          hearer(name, args[1] == "1"),
                          deadline(),
                          [](const reply<node_children>& got) {
                              auto text = begin_answer(got);
                              if (got.ok()) {
                                  std::string names;
                                  for (const std::string& child : got.value.names) {
                                      names +=
                                          (names.empty() ? "" : ",") + conformance::quote(child);
                                  }
                                  text.with("names", names).with("stat", stat_text(got.value.meta));
                              }
                              text.send();
                          });
        } else if (verb == "getacl") {
            link.get_acl(args[0], deadline(), [](const reply<std::pair<acl, stat>>& got) {
                auto text = begin_answer(got);
                if (got.ok()) {
                    text.with("acl", acl_text(got.value.first))
                        .with("stat", stat_text(got.value.second));
                }
                text.send();
            });
        } else if (verb == "sync") {
            link.sync(args[0], deadline(), plain<nothing>());
        } else {
            return false;
        }
        return true;
    }

    bool watch(client& link,
               const std::string& name,
               const std::string& verb,
               const arguments& args) {
        if (verb == "addwatch") {
            if (args[1] == "wrong") {
                return false;
            }
            const auto mode =
                args[1] == "recursive" ? watch_mode::persistent_recursive : watch_mode::persistent;
            link.add_watch(args[0], mode, hearer(name, true), deadline(), plain<nothing>());
        } else if (verb == "removewatch") {
            const auto which = args[1] == "data"       ? watcher_type::data
                               : args[1] == "children" ? watcher_type::children
                                                       : watcher_type::any;
            link.remove_watches(args[0], which, deadline(), plain<nothing>());
        } else {
            return false;
        }
        return true;
    }

    std::shared_ptr<runtime::loop> loop_;
    std::string hosts_;
    std::map<std::string, session> sessions_;
    std::set<arguments> heard_;  ///< in this turn
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        return 2;
    }
    const auto platform = runtime::make_real_platform();
    const auto loop = platform->make_loop("client");
    driver one{loop, argv[1]};
    for (std::string line; std::getline(std::cin, line);) {
        loop->post([&one, line] { one.line(line); });
    }
    const auto ended = platform->make_gate();
    loop->post([&] {
        one.end();
        ended->open();
    });
    ended->wait(never);
    loop->stop();
    return 0;
}
