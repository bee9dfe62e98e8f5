#include "zookeeper/client.hpp"

#include "zookeeper/client_core.hpp"

#include <utility>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

op_code code_for(create_mode mode) noexcept {
    switch (mode) {
        case create_mode::container:
            return op_code::create_container;
        case create_mode::persistent_with_ttl:
        case create_mode::persistent_sequential_with_ttl:
            return op_code::create_ttl;
        default:
            return op_code::create2;
    }
}

/// A request that views what `what` holds, at `path`.
protocol::create_request as_request(const create_op& what,
                                    std::string_view path,
                                    const acl& usual) {
    return {code_for(what.mode),
            path,
            what.data,
            false,
            what.access.value_or(usual),
            static_cast<std::int32_t>(what.mode),
            what.ttl.count()};
}

template <class T>
request make(op_code code, bool changes, instant deadline, client::done<T> done) {
    request what;
    what.code = code;
    what.changes = changes;
    what.deadline = deadline;
    what.done = std::move(done);
    return what;
}

/// Of the operations of a multi: views into `ops` and `paths`.
protocol::multi_request as_request(const std::vector<op>& ops,
                                   const std::vector<std::string>& paths,
                                   const acl& usual) {
    protocol::multi_request made;
    for (std::size_t i = 0; i < ops.size(); ++i) {
        const std::string& path = paths[i];
        if (const auto* create = std::get_if<create_op>(&ops[i])) {
            protocol::create_request one = as_request(*create, path, usual);
            // All servers answer this form alike; the reply's zxid stands in for the stat.
            one.code = one.code == op_code::create2 ? op_code::create : one.code;
            made.ops.emplace_back(std::move(one));
        } else if (const auto* remove = std::get_if<remove_op>(&ops[i])) {
            made.ops.emplace_back(protocol::delete_request{path, remove->version});
        } else if (const auto* set = std::get_if<set_op>(&ops[i])) {
            made.ops.emplace_back(
                protocol::set_data_request{path, set->data, false, set->version});
        } else {
            const auto& check = std::get<check_op>(ops[i]);
            made.ops.emplace_back(protocol::check_request{path, check.version});
        }
    }
    return made;
}

class client_handle final : public client {
public:
    explicit client_handle(std::shared_ptr<client_core> core) : core_(std::move(core)) {}
    ~client_handle() override { core_->abandon(); }

    session_state state() const override { return core_->state(); }
    std::optional<session_ticket> session() const override { return core_->session(); }
    std::int64_t last_zxid() const override { return core_->last_zxid(); }

    void renew() override { core_->renew(); }
    void reconnect(std::string_view why) override { core_->reconnect(why); }
    void close(instant deadline, done<nothing> then) override {
        core_->close(deadline, std::move(then));
    }

    void create(create_op what, instant deadline, done<created> then) override {
        request asked = make(code_for(what.mode), true, deadline, std::move(then));
        if (const auto path = path_for(asked, std::move(what.path))) {
            const auto body = as_request(what, *path, core_->options().default_acl);
            issue(std::move(asked), body);
        }
    }

    void remove(std::string path,
                std::int32_t version,
                instant deadline,
                done<nothing> then) override {
        request asked = make(op_code::remove, true, deadline, std::move(then));
        if (const auto full = path_for(asked, std::move(path))) {
            issue(std::move(asked), protocol::delete_request{*full, version});
        }
    }

    void exists(std::string path, on_event watch, instant deadline, done<stat> then) override {
        read(make(op_code::exists, false, deadline, std::move(then)),
             std::move(path),
             std::move(watch));
    }

    void get(std::string path, on_event watch, instant deadline, done<node_data> then) override {
        read(make(op_code::get_data, false, deadline, std::move(then)),
             std::move(path),
             std::move(watch));
    }

    void children(std::string path,
                  on_event watch,
                  instant deadline,
                  done<node_children> then) override {
        read(make(op_code::get_children2, false, deadline, std::move(then)),
             std::move(path),
             std::move(watch));
    }

    void set(std::string path,
             std::string data,
             std::int32_t version,
             instant deadline,
             done<stat> then) override {
        request asked = make(op_code::set_data, true, deadline, std::move(then));
        if (const auto full = path_for(asked, std::move(path))) {
            issue(std::move(asked), protocol::set_data_request{*full, data, false, version});
        }
    }

    void multi(std::vector<op> ops, instant deadline, done<std::vector<op_result>> then) override {
        request asked = make(op_code::multi, true, deadline, std::move(then));
        asked.notes = std::make_unique<request_notes>();
        std::vector<std::string> paths;
        for (op& one : ops) {
            auto full = std::visit(
                [&](auto& what) { return path_for(asked, std::move(what.path)); }, one);
            if (!full) {
                return;
            }
            paths.push_back(std::move(*full));
        }
        const auto body = as_request(ops, paths, core_->options().default_acl);
        for (const protocol::multi_op& one : body.ops) {
            asked.notes->multi_ops.push_back(code_of(one));
        }
        issue(std::move(asked), body);
    }

    void sync(std::string path, instant deadline, done<nothing> then) override {
        request asked = make(op_code::sync, false, deadline, std::move(then));
        if (const auto full = path_for(asked, std::move(path))) {
            issue(std::move(asked), protocol::path_request{*full});
        }
    }

    void get_acl(std::string path, instant deadline, done<std::pair<acl, stat>> then) override {
        request asked = make(op_code::get_acl, false, deadline, std::move(then));
        if (const auto full = path_for(asked, std::move(path))) {
            issue(std::move(asked), protocol::path_request{*full});
        }
    }

    void set_acl(std::string path,
                 acl access,
                 std::int32_t version,
                 instant deadline,
                 done<stat> then) override {
        request asked = make(op_code::set_acl, true, deadline, std::move(then));
        if (const auto full = path_for(asked, std::move(path))) {
            issue(std::move(asked),
                  protocol::set_acl_request{*full, std::move(access), version});
        }
    }

    void add_auth(std::string scheme,
                  std::string credentials,
                  instant deadline,
                  done<nothing> then) override {
        core_->add_auth(
            std::move(scheme), std::move(credentials), deadline, std::move(then));
    }

    void add_watch(std::string path,
                   watch_mode mode,
                   on_event watch,
                   instant deadline,
                   done<nothing> then) override {
        request asked = make(op_code::add_watch, true, deadline, std::move(then));
        if (auto full = path_for(asked, std::move(path))) {
            note_watch(asked, *full, std::move(watch));
            asked.notes->mode = mode;
            issue(std::move(asked),
                  protocol::add_watch_request{*full, static_cast<std::int32_t>(mode)});
        }
    }

    void remove_watches(std::string path,
                        watcher_type which,
                        instant deadline,
                        done<nothing> then) override {
        request asked = make(op_code::remove_watches, true, deadline, std::move(then));
        if (auto full = path_for(asked, std::move(path))) {
            asked.notes = std::make_unique<request_notes>();
            asked.notes->path = *full;
            asked.notes->removes = which;
            issue(std::move(asked),
                  protocol::watches_request{*full, static_cast<std::int32_t>(which)});
        }
    }

    void four_letter(std::string word,
                     instant deadline,
                     callback<result<std::string>> then) override {
        core_->four_letter(std::move(word), deadline, std::move(then));
    }

private:
    template <class Body>
    void issue(request what, const Body& body) {
        core_->issue(std::move(what), [&body](std::string& out) { encode(out, body); });
    }

    /// The path for the server; without one `what` has been refused.
    std::optional<std::string> path_for(request& what, std::string path) {
        const std::string shown = path.empty() ? "an empty path" : "the path '" + path + "'";
        auto full = core_->full_path(std::move(path));
        if (!full) {
            core_->refuse(std::move(what),
                          zk_error::bad_arguments,
                          shown + " cannot stand behind a chroot; paths begin with '/'");
        }
        return full;
    }

    void note_watch(request& what, std::string path, on_event watch) {
        if (watch) {
            what.notes = std::make_unique<request_notes>();
            what.notes->path = std::move(path);
            what.notes->watch = std::make_shared<const on_event>(std::move(watch));
            what.notes->children = what.code == op_code::get_children2;
        }
    }

    void read(request what, std::string path, on_event watch) {
        if (const auto full = path_for(what, std::move(path))) {
            const bool watched = static_cast<bool>(watch);
            note_watch(what, *full, std::move(watch));
            const protocol::read_request body{what.code, *full, watched};
            issue(std::move(what), body);
        }
    }

    std::shared_ptr<client_core> core_;
};

}  // namespace

std::unique_ptr<client> client::start(std::shared_ptr<runtime::loop> loop,
                                      client_options options,
                                      on_change change,
                                      on_answer answer) {
    auto core = std::make_shared<client_core>(
        std::move(loop), std::move(options), std::move(change), std::move(answer));
    core->begin();
    return std::make_unique<client_handle>(std::move(core));
}

}  // namespace muster::zookeeper
