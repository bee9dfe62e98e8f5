#include "simulation/mistakes.hpp"

#include "zookeeper/client.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace muster::simulation {

namespace {

using zookeeper::outcome;
using zookeeper::reply;
using op_results = std::vector<zookeeper::op_result>;

std::map<const runtime::loop*, disguise>& disguises() {
    static std::map<const runtime::loop*, disguise> all;
    return all;
}

/// What a server says of itself, as a follower says it.
std::string as_follower(std::string srvr) {
    constexpr std::string_view alone = "Mode: standalone";
    const auto at = srvr.find(alone);
    return at == std::string::npos ? srvr : srvr.replace(at, alone.size(), "Mode: follower");
}

bool mentions(const std::string& path, std::string_view part) {
    return path.find(part) != std::string::npos;
}

bool is_check_of_place(const zookeeper::op& one) {
    const auto* const check = std::get_if<zookeeper::check_op>(&one);
    return check != nullptr && mentions(check->path, "/succession/");
}

bool is_place(const zookeeper::op& one) {
    const auto* const made = std::get_if<zookeeper::create_op>(&one);
    return made != nullptr && made->mode == zookeeper::create_mode::ephemeral_sequential;
}

/// A chunk without its `waits`.
std::string forgetful(const std::string& chunk) {
    boost::system::error_code trouble;
    boost::json::value parsed = boost::json::parse(chunk, trouble);
    const auto without = [](auto&& self, boost::json::value& in) -> void {
        if (auto* const object = in.if_object()) {
            object->erase("waits");
            for (auto& item : *object) {
                self(self, item.value());
            }
        } else if (auto* const array = in.if_array()) {
            for (boost::json::value& item : *array) {
                self(self, item);
            }
        }
    };
    without(without, parsed);
    return trouble ? chunk : boost::json::serialize(parsed);
}

/// A client that makes one mistake, or none, and is right otherwise.
class wrong_client final : public zookeeper::client {
public:
    wrong_client(std::unique_ptr<client> real, disguise what)
        : real_{std::move(real)}, how_{what.how}, follower_{what.follower} {}

    zookeeper::session_state state() const override { return real_->state(); }
    std::optional<zookeeper::session_ticket> session() const override { return real_->session(); }
    std::int64_t last_zxid() const override { return real_->last_zxid(); }
    void renew() override { real_->renew(); }
    void reconnect(std::string_view why) override { real_->reconnect(why); }
    void close(instant deadline, done<zookeeper::nothing> then) override {
        real_->close(deadline, std::move(then));
    }
    void create(zookeeper::create_op what,
                instant deadline,
                done<zookeeper::created> then) override {
        real_->create(std::move(what), deadline, credulous(std::move(then)));
    }
    void remove(std::string path,
                std::int32_t version,
                instant deadline,
                done<zookeeper::nothing> then) override {
        real_->remove(std::move(path), version, deadline, std::move(then));
    }
    void exists(std::string path,
                on_event watch,
                instant deadline,
                done<zookeeper::stat> then) override {
        if (how_ == mistake::absent_released && !has_led_ && mentions(path, "/members/")) {
            real_->exists(std::move(path),
                          {},
                          deadline,
                          [then = std::move(then)](reply<zookeeper::stat> got) mutable {
                              got.how = outcome::refused;
                              got.error = zookeeper::zk_error::no_node;
                              then(std::move(got));
                          });
            return;
        }
        real_->exists(std::move(path), heard(std::move(watch)), deadline, std::move(then));
    }
    void get(std::string path,
             on_event watch,
             instant deadline,
             done<zookeeper::node_data> then) override {
        // The leader reads every status, and follows it: what is mistaken here is one who waits.
        if (how_ == mistake::absent_released && !has_led_ && mentions(path, "/status/")) {
            real_->get(std::move(path),
                       std::move(watch),
                       deadline,
                       [then = std::move(then)](reply<zookeeper::node_data> got) mutable {
                           got.how = outcome::refused;
                           got.error = zookeeper::zk_error::no_node;
                           then(std::move(got));
                       });
            return;
        }
        real_->get(std::move(path), heard(std::move(watch)), deadline, std::move(then));
    }
    void set(std::string path,
             std::string data,
             std::int32_t version,
             instant deadline,
             done<zookeeper::stat> then) override {
        real_->set(std::move(path), std::move(data), version, deadline, credulous(std::move(then)));
    }
    void children(std::string path,
                  on_event watch,
                  instant deadline,
                  done<zookeeper::node_children> then) override {
        has_led_ = has_led_ || path.ends_with("/status");
        real_->children(std::move(path), heard(std::move(watch)), deadline, std::move(then));
    }
    void multi(std::vector<zookeeper::op> ops, instant deadline, done<op_results> then) override {
        switch (how_) {
            case mistake::unfenced_leader:
            case mistake::unchecked_place:
                unfenced(std::move(ops), deadline, std::move(then));
                return;
            case mistake::forgotten_wait:
                for (zookeeper::op& one : ops) {
                    auto* const change = std::get_if<zookeeper::set_op>(&one);
                    if (change != nullptr && mentions(change->path, "/plan/")) {
                        change->data = forgetful(change->data);
                    }
                }
                break;
            case mistake::double_create:
                if (!ops.empty() && is_place(ops.back())) {
                    one_by_one(std::move(ops), deadline, std::move(then));
                    return;
                }
                break;
            default:
                break;
        }
        real_->multi(std::move(ops), deadline, std::move(then));
    }
    void sync(std::string path, instant deadline, done<zookeeper::nothing> then) override {
        real_->sync(std::move(path), deadline, std::move(then));
    }
    void get_acl(std::string path,
                 instant deadline,
                 done<std::pair<zookeeper::acl, zookeeper::stat>> then) override {
        real_->get_acl(std::move(path), deadline, std::move(then));
    }
    void set_acl(std::string path,
                 zookeeper::acl access,
                 std::int32_t version,
                 instant deadline,
                 done<zookeeper::stat> then) override {
        real_->set_acl(std::move(path), std::move(access), version, deadline, std::move(then));
    }
    void add_auth(std::string scheme,
                  std::string credentials,
                  instant deadline,
                  done<zookeeper::nothing> then) override {
        real_->add_auth(std::move(scheme), std::move(credentials), deadline, std::move(then));
    }
    void add_watch(std::string path,
                   zookeeper::watch_mode mode,
                   on_event watch,
                   instant deadline,
                   done<zookeeper::nothing> then) override {
        real_->add_watch(std::move(path), mode, std::move(watch), deadline, std::move(then));
    }
    void remove_watches(std::string path,
                        zookeeper::watcher_type which,
                        instant deadline,
                        done<zookeeper::nothing> then) override {
        real_->remove_watches(std::move(path), which, deadline, std::move(then));
    }
    void four_letter(std::string word,
                     instant deadline,
                     callback<result<std::string>> then) override {
        if (!follower_) {
            real_->four_letter(std::move(word), deadline, std::move(then));
            return;
        }
        real_->four_letter(
            std::move(word), deadline, [then = std::move(then)](result<std::string> got) mutable {
                if (got) {
                    got = as_follower(std::move(*got));
                }
                then(std::move(got));
            });
    }

private:
    on_event heard(on_event watch) {
        return how_ == mistake::deaf && watch ? on_event{[](const zookeeper::watch_event&) {}}
                                              : std::move(watch);
    }

    template <class T>
    done<T> credulous(done<T> then) {
        if (how_ != mistake::unknown_is_done) {
            return then;
        }
        return [then = std::move(then)](reply<T> got) mutable {
            if (got.how == outcome::outcome_unknown || got.how == outcome::not_sent) {
                got.how = outcome::done;
            }
            then(std::move(got));
        };
    }

    void unfenced(std::vector<zookeeper::op> ops, instant deadline, done<op_results> then) {
        const bool fenced = ops.size() > 1 && is_check_of_place(ops.front());
        if (!fenced) {
            real_->multi(std::move(ops), deadline, std::move(then));
            return;
        }
        ops.erase(ops.begin());
        for (zookeeper::op& one : ops) {
            auto* const change = std::get_if<zookeeper::set_op>(&one);
            if (change != nullptr && how_ == mistake::unfenced_leader) {
                change->version = zookeeper::any_version;
            }
        }
        real_->multi(
            std::move(ops), deadline, [then = std::move(then)](reply<op_results> got) mutable {
                got.value.insert(got.value.begin(), zookeeper::op_result{});
                then(std::move(got));
            });
    }

    /// The place in the succession by itself, and once more whenever its reply was lost.
    void one_by_one(std::vector<zookeeper::op> ops, instant deadline, done<op_results> then) {
        auto place = std::get<zookeeper::create_op>(std::move(ops.back()));
        ops.pop_back();
        if (ops.empty()) {
            queue(std::move(place), deadline, {}, std::move(then));
            return;
        }
        real_->multi(std::move(ops),
                     deadline,
                     [this, place = std::move(place), deadline, then = std::move(then)](
                         reply<op_results> got) mutable {
                         if (!got.ok()) {
                             then(std::move(got));
                             return;
                         }
                         queue(std::move(place), deadline, std::move(got), std::move(then));
                     });
    }

    void queue(zookeeper::create_op place,
               instant deadline,
               reply<op_results> before,
               done<op_results> then) {
        zookeeper::create_op copy = place;
        real_->create(std::move(copy),
                      deadline,
                      [this,
                       place = std::move(place),
                       deadline,
                       before = std::move(before),
                       then = std::move(then)](reply<zookeeper::created> got) mutable {
                          if (!got.ok() && got.how != outcome::refused &&
                              (state() == zookeeper::session_state::connected ||
                               state() == zookeeper::session_state::connecting)) {
                              queue(std::move(place), deadline, std::move(before), std::move(then));
                              return;
                          }
                          before.how = got.how;
                          before.error = got.error;
                          before.value.push_back({got.error, got.value.path, got.value.meta});
                          then(std::move(before));
                      });
    }

    std::unique_ptr<client> real_;
    mistake how_;
    bool follower_;
    bool has_led_ = false;  ///< only leaders list the statuses
};

/// Draws the same bytes each time.
class constant_loop final : public runtime::loop {
public:
    constant_loop(std::shared_ptr<runtime::loop> real, const std::string& title)
        : real_{std::move(real)} {
        for (std::size_t i = 0; i < sizeof bytes_; ++i) {
            bytes_[i] =
                static_cast<std::byte>(0x40U + static_cast<unsigned char>(title[0]) % 32 + i);
        }
    }
    instant now() const noexcept override { return real_->now(); }
    std::int64_t unix_ms() const noexcept override { return real_->unix_ms(); }
    void post(task_fn task) override { real_->post(std::move(task)); }
    void defer(task_fn task) override { real_->defer(std::move(task)); }
    bool is_current() const noexcept override { return real_->is_current(); }
    std::unique_ptr<runtime::timer> make_timer() override { return real_->make_timer(); }
    std::unique_ptr<runtime::operation> connect(
        const runtime::endpoint& to,
        instant deadline,
        callback<result<std::unique_ptr<runtime::stream>>> then) override {
        return real_->connect(to, deadline, std::move(then));
    }
    result<std::unique_ptr<runtime::listener>> listen(
        const runtime::endpoint& at,
        std::function<void(std::unique_ptr<runtime::stream>)> accepted,
        std::function<std::shared_ptr<runtime::loop>()> place) override {
        return real_->listen(at, std::move(accepted), std::move(place));
    }
    std::unique_ptr<runtime::operation> resolve(
        const runtime::host_port& name,
        instant deadline,
        callback<result<std::vector<runtime::endpoint>>> then) override {
        return real_->resolve(name, deadline, std::move(then));
    }
    void random_bytes(std::span<std::byte> into) override {
        for (std::size_t i = 0; i < into.size(); ++i) {
            into[i] = bytes_[i % sizeof bytes_];
        }
    }
    void stop() override { real_->stop(); }

private:
    std::shared_ptr<runtime::loop> real_;
    std::byte bytes_[8];
};

}  // namespace

void put_between(const std::shared_ptr<runtime::loop>& control, disguise what) {
    disguises()[control.get()] = what;
}

void forget_disguises() {
    disguises().clear();
}

std::shared_ptr<runtime::loop> without_chance(std::shared_ptr<runtime::loop> from,
                                              const std::string& title) {
    return std::make_shared<constant_loop>(std::move(from), title);
}

}  // namespace muster::simulation

// What `zookeeper::client::start` is replaced by, and what it was: the linker's --wrap.
#define MUSTER_CLIENT_START                                                            \
    "_ZN6muster9zookeeper6client5startESt10shared_ptrINS_7runtime4loopEENS0_14client_" \
    "optionsESt8functionIFvRKNS0_14session_changeEEES7_IFvRKNS0_8answeredEEE"

namespace muster::simulation {

std::unique_ptr<zookeeper::client> right_start(
    std::shared_ptr<runtime::loop> loop,
    zookeeper::client_options options,
    zookeeper::client::on_change change,
    zookeeper::client::on_answer answer) asm("__real_" MUSTER_CLIENT_START);
std::unique_ptr<zookeeper::client> wrapped_start(
    std::shared_ptr<runtime::loop> loop,
    zookeeper::client_options options,
    zookeeper::client::on_change change,
    zookeeper::client::on_answer answer) asm("__wrap_" MUSTER_CLIENT_START);

std::unique_ptr<zookeeper::client> wrapped_start(std::shared_ptr<runtime::loop> loop,
                                                 zookeeper::client_options options,
                                                 zookeeper::client::on_change change,
                                                 zookeeper::client::on_answer answer) {
    const auto found = disguises().find(loop.get());
    const disguise what = found == disguises().end() ? disguise{} : found->second;
    auto real =
        right_start(std::move(loop), std::move(options), std::move(change), std::move(answer));
    if (what.how == mistake::none && !what.follower) {
        return real;
    }
    return std::make_unique<wrong_client>(std::move(real), what);
}

}  // namespace muster::simulation
