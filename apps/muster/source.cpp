#include "source.hpp"

#include "tree_read.hpp"
#include "zookeeper/four_letter_client.hpp"

#include <atomic>
#include <utility>

namespace muster::cli {
namespace {

using zookeeper::client;
using zookeeper::session_state;

constexpr duration farewell = 300ms;  ///< kept for ending the session politely

/// Asks every server of a connect string whether it is there.
/// Threads: the loop's only.
class server_poll {
public:
    server_poll(runtime::loop& at,
                const zookeeper::connect_string& servers,
                instant deadline,
                callback<std::vector<server_facts_seen>> done)
        : loop_{at}, done_{std::move(done)} {
        for (const auto& server : servers.servers) {
            seen_.push_back({server.host + ":" + std::to_string(server.port), false});
        }
        left_ = seen_.size();
        steps_.resize(seen_.size());
        for (std::size_t i = 0; i < seen_.size(); ++i) {
            steps_[i] =
                loop_.resolve(servers.servers[i],
                              deadline,
                              [this, i, deadline](result<std::vector<runtime::endpoint>> found) {
                                  if (found) {
                                      ask(i, found->front(), deadline);
                                  } else {
                                      answered(i, false);
                                  }
                              });
        }
    }

private:
    void ask(std::size_t i, const runtime::endpoint& server, instant deadline) {
        // Not from inside the operation that it replaces.
        loop_.post(life_.wrap([this, i, server, deadline] {
            steps_[i] = zookeeper::ask_four_letter(
                loop_, server, "srvr", deadline, [this, i](const result<std::string>& got) {
                    answered(i, got && zookeeper::is_answer_to_word(*got));
                });
        }));
    }
    void answered(std::size_t i, bool up) {
        seen_[i].up = up;
        if (--left_ == 0) {
            loop_.post(life_.wrap([this] { done_(std::move(seen_)); }));
        }
    }

    runtime::loop& loop_;
    callback<std::vector<server_facts_seen>> done_;
    std::vector<server_facts_seen> seen_;
    std::vector<std::unique_ptr<runtime::operation>> steps_;
    std::size_t left_ = 0;
    life_guard life_;
};

std::string in_words(std::chrono::milliseconds time) {
    const auto ms = time.count();
    if (ms % 1000 == 0) {
        return std::to_string(ms / 1000) + " s";
    }
    return std::to_string(ms) + " ms";
}

/// What most often is behind `trouble`, the reasons of the servers that were tried.
std::string likely_cause(std::string_view trouble) {
    const auto tells = [&](std::string_view part) { return trouble.contains(part); };
    if (tells("not a ZooKeeper server")) {
        return "the port is another program's; ZooKeeper's is 2181 as a rule";
    }
    if (tells("refused")) {
        return "nothing listens there; to try things out run `muster dev` in another terminal";
    }
    if (tells("does not answer")) {
        return "the server hangs, or the port is another program's";
    }
    return "the address is wrong, or a firewall is in between";
}

/// All that lives on the loop.
struct desk {
    std::unique_ptr<client> zk;
    std::unique_ptr<tree_read> reading;
    std::unique_ptr<server_poll> polling;
    std::string last_trouble;
    bool was_connected = false;
    bool watching = false;  ///< a recursive watch stands
    bool changed = false;
    std::function<void()> wake;
};

class zookeeper_source final : public source {
public:
    zookeeper_source(const context& at, zookeeper::connect_string servers)
        : common_{at.common},
          servers_{std::move(servers)},
          ground_{at.ground},
          loop_{ground_->make_loop("reader")} {
        loop_->post([this] {
            zookeeper::client_options options;
            options.servers = servers_;
            options.session_timeout = session_timeout_within(common_.timeout.value);
            if (!common_.digest.value.empty()) {
                options.auth.emplace_back("digest", common_.digest.value);
            }
            desk_.zk = client::start(
                loop_, std::move(options), [this](const auto& change) { session_changed(change); });
        });
    }

    ~zookeeper_source() override {
        const std::shared_ptr<runtime::gate> gate = ground_->make_gate();
        loop_->post([this, gate] {
            desk_.reading.reset();
            desk_.polling.reset();
            desk_.wake = nullptr;
            desk_.zk->close(loop_->now() + farewell, [gate](const auto&) { gate->open(); });
        });
        static_cast<void>(gate->wait(ground_->now() + 2 * farewell));
        const std::shared_ptr<runtime::gate> empty = ground_->make_gate();
        loop_->post([this, empty] {
            desk_.zk.reset();
            empty->open();
        });
        static_cast<void>(empty->wait(never));
        loop_->stop();
    }

    outcome<picture> read() override { return read_tree(false); }
    outcome<picture> read_with_servers() override { return read_tree(true); }

    bool wait_for_change(duration limit) override;
    void interrupt() override {
        interrupted_ = true;
        loop_->post([this] { wake(); });
    }

private:
    void session_changed(const zookeeper::session_change& change);
    void watch_all();
    void wake() {
        if (desk_.wake) {
            desk_.wake();
        }
    }
    outcome<picture> read_tree(bool with_servers);
    [[nodiscard]] failure explain(const error& why,
                                  bool connected,
                                  const std::string& trouble) const;

    settings common_;
    zookeeper::connect_string servers_;
    std::shared_ptr<runtime::platform> ground_;
    std::shared_ptr<runtime::loop> loop_;
    std::atomic<bool> interrupted_{false};
    desk desk_;
};

void zookeeper_source::session_changed(const zookeeper::session_change& change) {
    switch (change.state) {
        case session_state::connected:
            desk_.was_connected = true;
            desk_.changed = true;
            wake();
            break;
        case session_state::expired:
            desk_.watching = false;
            loop_->post([this] {
                if (desk_.zk) {
                    desk_.zk->renew();
                }
            });
            break;
        case session_state::connecting:
            desk_.was_connected = false;
            desk_.last_trouble = change.text;
            break;
        default:
            desk_.last_trouble = change.text;
            break;
    }
}

/// What one reading needs, shared by the caller's thread and the loop.
struct reading_slot {
    std::unique_ptr<runtime::gate> gate;
    result<picture> got = fail(errc::timed_out, "no answer");
    std::vector<server_facts_seen> servers;
    bool connected = false;
    std::string trouble;
    unsigned left = 1;

    void part_done() {
        if (--left == 0) {
            gate->open();
        }
    }
};

outcome<picture> zookeeper_source::read_tree(bool with_servers) {
    const auto slot = std::make_shared<reading_slot>();
    slot->gate = ground_->make_gate();
    slot->left = with_servers ? 2 : 1;
    const instant deadline = ground_->now() + common_.timeout.value;
    loop_->post([this, slot, deadline, with_servers] {
        desk_.reading = std::make_unique<tree_read>(
            *loop_, *desk_.zk, common_.cluster.value, deadline, [this, slot](result<picture> got) {
                slot->got = std::move(got);
                slot->connected = desk_.was_connected;
                slot->trouble = desk_.last_trouble;
                slot->part_done();
            });
        if (with_servers) {
            const instant soon = std::min(deadline, loop_->now() + 1s);
            desk_.polling = std::make_unique<server_poll>(
                *loop_, servers_, soon, [slot](std::vector<server_facts_seen> seen) {
                    slot->servers = std::move(seen);
                    slot->part_done();
                });
        }
    });
    // The reading ends by itself at the deadline; the slack is for a busy machine.
    if (!slot->gate->wait(deadline + 5s)) {
        return std::unexpected(
            failure{.code = "MUS0204",
                    .message = "ZooKeeper's answers took longer than --timeout allows",
                    .facts = {},
                    .hint = "try again, or with a larger --timeout"});
    }
    if (!slot->got) {
        return std::unexpected(explain(slot->got.error(), slot->connected, slot->trouble));
    }
    slot->got->servers = std::move(slot->servers);
    return std::move(*slot->got);
}

failure zookeeper_source::explain(const error& why,
                                  bool connected,
                                  const std::string& trouble) const {
    if (why.code == errc::not_authorized) {
        return failure_of(why);
    }
    if (connected) {
        return {.code = "MUS0204",
                .message = "ZooKeeper did not answer within " + in_words(common_.timeout.value) +
                           ": " + why.text,
                .facts = {{"at", common_.zookeeper.value}, {"from", common_.zookeeper.origin}},
                .hint = "try again, or with a larger --timeout"};
    }
    failure made{
        .code = "MUS0203",
        .message = "no ZooKeeper server answered within " + in_words(common_.timeout.value),
        .facts = {{"tried",
                   common_.zookeeper.value + (trouble.empty() ? "" : " (" + trouble + ")")},
                  {"from", common_.zookeeper.origin}},
        .hint = {}};
    made.facts.emplace_back("likely", likely_cause(trouble));
    return made;
}

/// A recursive watch on the cluster says that something changed; servers before 3.6 refuse it, and
/// the caller then looks every so often.
void zookeeper_source::watch_all() {
    if (std::exchange(desk_.watching, true)) {
        return;
    }
    desk_.zk->add_watch(
        cluster::paths{common_.cluster.value}.root(),
        zookeeper::watch_mode::persistent_recursive,
        [this](const zookeeper::watch_event&) {
            desk_.changed = true;
            wake();
        },
        loop_->now() + common_.timeout.value,
        [this](const auto& got) {
            desk_.watching = got.ok();
            desk_.changed = true;  // What happened before it stood was not heard of.
            wake();
        });
}

bool zookeeper_source::wait_for_change(duration limit) {
    if (interrupted_) {
        return false;
    }
    const std::shared_ptr<runtime::gate> gate = ground_->make_gate();
    loop_->post([this, gate] {
        watch_all();
        if (desk_.changed || interrupted_) {
            gate->open();
        } else {
            desk_.wake = [gate] { gate->open(); };
        }
    });
    static_cast<void>(gate->wait(ground_->now() + limit));
    const std::shared_ptr<runtime::gate> taken = ground_->make_gate();
    loop_->post([this, taken] {
        desk_.wake = nullptr;
        desk_.changed = false;
        taken->open();
    });
    static_cast<void>(taken->wait(never));
    return !interrupted_;
}

}  // namespace

std::chrono::milliseconds session_timeout_within(std::chrono::milliseconds timeout) {
    constexpr std::chrono::milliseconds longest{10'000};
    return std::min(longest, timeout * 4 / 5);
}

outcome<std::unique_ptr<source>> open_source(const context& at) {
    auto servers = zookeeper::connect_string::parse(at.common.zookeeper.value);
    if (!servers) {
        const bool flag = at.common.zookeeper.origin.ends_with("on the command line");
        return std::unexpected(failure{.code = flag ? "MUS0605" : "MUS0606",
                                       .message = servers.error().text,
                                       .facts = {{"from", at.common.zookeeper.origin}},
                                       .hint = "for example zk1:2181,zk2:2181/chroot"});
    }
    return std::make_unique<zookeeper_source>(at, std::move(*servers));
}

}  // namespace muster::cli
