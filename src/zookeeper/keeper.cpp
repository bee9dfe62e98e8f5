#include "zookeeper/keeper.hpp"

#include "base/life_guard.hpp"
#include "zookeeper/four_letter.hpp"
#include "zookeeper/keeper_connection.hpp"
#include "zookeeper/keeper_core.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

namespace muster::zookeeper {
namespace {

using namespace std::chrono_literals;

result<core_settings> settings_of(const keeper_options& options) {
    core_settings settings;
    settings.tick = options.tick_time;
    settings.min_timeout =
        options.min_session_timeout > 0ms ? options.min_session_timeout : 2 * options.tick_time;
    settings.max_timeout =
        options.max_session_timeout > 0ms ? options.max_session_timeout : 20 * options.tick_time;
    settings.reap_interval = options.reap_interval;
    settings.server_id = options.server_id;
    settings.max_reply = options.max_unread;
    if (options.tick_time < 1ms || options.tick_time > 1h) {
        return fail(errc::invalid_argument, "the keeper's tick time must be from 1 ms to 1 h");
    }
    if (settings.min_timeout > settings.max_timeout || settings.max_timeout > 24h) {
        return fail(errc::invalid_argument,
                    "the keeper's session timeouts must be in order and at most 24 h");
    }
    if (options.server_id == 0xff) {
        return fail(errc::invalid_argument, "the keeper's server id must be at most 254");
    }
    if (options.max_request < 1024 || options.reap_interval < 1ms) {
        return fail(errc::invalid_argument,
                    "the keeper must take requests of 1 KiB and reap at some interval");
    }
    return settings;
}

class server final : public keeper, public core_output, public connection_owner {
public:
    server(std::shared_ptr<runtime::loop> loop, keeper_options options, core_settings settings)
        : loop_(std::move(loop)),
          options_(std::move(options)),
          settings_(with_secret(settings)),
          started_ms_(loop_->unix_ms()),
          core_(settings_, *this, now()),
          timer_(loop_->make_timer()) {}

    result<void> listen() {
        auto listener = loop_->listen(options_.listen,
                                      alive_.wrap([this](std::unique_ptr<runtime::stream> stream) {
                                          accept(std::move(stream));
                                      }));
        if (!listener) {
            return std::unexpected{listener.error()};
        }
        listener_ = std::move(*listener);
        arm();
        return {};
    }

    [[nodiscard]] runtime::endpoint local() const override { return listener_->local(); }
    [[nodiscard]] std::size_t connections() const override { return links_.size(); }
    [[nodiscard]] std::int64_t zxid() const override { return core_.zxid(); }

private:
    core_settings with_secret(core_settings settings) {
        loop_->random_bytes(settings.secret);
        return settings;
    }

    [[nodiscard]] moment now() const { return moment{loop_->now(), loop_->unix_ms()}; }

    // --- Connections ---

    void accept(std::unique_ptr<runtime::stream> stream) {
        const runtime::endpoint remote = stream->remote();
        std::size_t& from_there = per_address_[remote.address];
        const bool crowded =
            options_.max_connections_per_ip != 0 && from_there >= options_.max_connections_per_ip;
        if (crowded || links_.size() >= options_.max_connections) {
            if (from_there == 0) {
                per_address_.erase(remote.address);
            }
            stream->close();
            return;
        }
        ++from_there;
        const connection_id id = next_id_++;
        const moment at = now();
        core_.opened(id, remote.address, remote.port, at);
        const keeper_connection::limits bounds{options_.max_request, options_.max_unread};
        auto link = std::make_unique<keeper_connection>(id, std::move(stream), bounds, *this);
        keeper_connection& started = *link;
        links_.emplace(id, std::move(link));
        deadlines_.emplace_back(at.now + options_.handshake_timeout, id);
        started.start();
        arm();
    }

    void on_frame(connection_id from, std::string_view bytes) override {
        core_.frame(from, bytes, now());
    }

    bool on_word(connection_id from, std::string_view word) override {
        if (!is_four_letter_word(word)) {
            return false;
        }
        keeper_facts facts;
        facts.port = local().port;
        facts.tick = options_.tick_time;
        facts.min_timeout = settings_.min_timeout;
        facts.max_timeout = settings_.max_timeout;
        facts.max_connections_per_ip = options_.max_connections_per_ip;
        facts.server_id = options_.server_id;
        facts.started_ms = started_ms_;
        facts.now = now();
        out(from) += answer_word(word, options_.four_letter_words, core_, facts);
        close(from);
        return true;
    }

    void on_pending(connection_id from) override {
        pending_.push_back(from);
        schedule();
    }

    void on_end(connection_id from) override {
        ended_.push_back(from);
        schedule();
    }

    // --- What the core has to say ---

    std::string& out(connection_id to) override {
        const auto at = links_.find(to);
        // Not there any more: said to nobody.
        return at == links_.end() ? (nobody_.clear(), nobody_) : at->second->out();
    }

    void close(connection_id which) override {
        if (const auto at = links_.find(which); at != links_.end()) {
            at->second->close_when_sent();
            // Whoever does not take its last bytes is not waited for.
            deadlines_.emplace_back(loop_->now() + options_.handshake_timeout, which);
        }
    }

    void committed(std::int64_t zxid,
                   std::int64_t session,
                   const std::vector<tree_event>& changes) override {
        if (!options_.on_commit) {
            return;
        }
        keeper_commit told{zxid, session, {}};
        for (const tree_event& one : changes) {
            told.changes.push_back({one.type, one.path});
        }
        options_.on_commit(told);
    }

    // --- Once a turn ---

    void schedule() {
        if (!scheduled_) {
            scheduled_ = true;
            loop_->defer(alive_.wrap([this] { settle(); }));
        }
    }

    /// Sends what has gathered for each connection in this turn, and lets go of what has ended.
    void settle() {
        scheduled_ = false;
        for (const connection_id id : std::exchange(pending_, {})) {
            if (const auto at = links_.find(id); at != links_.end()) {
                at->second->flush();
            }
        }
        for (const connection_id id : std::exchange(ended_, {})) {
            const auto at = links_.find(id);
            if (at == links_.end()) {
                continue;
            }
            const auto count = per_address_.find(at->second->address());
            if (--count->second == 0) {
                per_address_.erase(count);
            }
            links_.erase(at);
            core_.closed(id);
        }
        arm();
    }

    // --- Time ---

    void arm() {
        // Held up, the keeper first reads: whatever is overdue waits for `on_time`, whose short
        // delay must not be cut off by the connections and frames that come in the meantime.
        if (waited_ && timer_->is_set()) {
            return;
        }
        const instant first = deadlines_.empty() ? never : deadlines_.front().first;
        const instant wanted = std::min(core_.next_deadline(), first);
        if (!timer_->is_set() || wanted < armed_) {
            armed_ = wanted;
            timer_->set(wanted, alive_.wrap([this] { on_time(); }));
        }
    }

    void on_time() {
        const moment at = now();
        // Held up itself (a stopped process, a starved machine), it first reads what has piled up:
        // whoever kept sending must not expire for that. A session may end late, never early.
        if (at.now - armed_ > options_.tick_time / 2 && !waited_) {
            waited_ = true;
            armed_ = at.now + 50ms;
            timer_->set(armed_, alive_.wrap([this] { on_time(); }));
            return;
        }
        waited_ = false;
        while (!deadlines_.empty() && deadlines_.front().first <= at.now) {
            const connection_id id = deadlines_.front().second;
            deadlines_.pop_front();
            const auto link = links_.find(id);
            if (link != links_.end() && (!core_.established(id) || link->second->is_closing())) {
                link->second->end();
            }
        }
        core_.advance(at);
        arm();
    }

    std::shared_ptr<runtime::loop> loop_;
    keeper_options options_;
    core_settings settings_;
    std::int64_t started_ms_;
    keeper_core core_;
    std::string nobody_;
    connection_id next_id_ = 1;
    boost::unordered_flat_map<connection_id, std::unique_ptr<keeper_connection>> links_;
    std::map<std::string, std::size_t> per_address_;
    /// When a handshake or a farewell must be over; in order, for all take the same time.
    std::deque<std::pair<instant, connection_id>> deadlines_;
    std::vector<connection_id> pending_;
    std::vector<connection_id> ended_;
    bool scheduled_ = false;
    bool waited_ = false;
    instant armed_ = never;
    std::unique_ptr<runtime::timer> timer_;
    std::unique_ptr<runtime::listener> listener_;
    life_guard alive_;
};

}  // namespace

result<std::unique_ptr<keeper>> keeper::start(std::shared_ptr<runtime::loop> loop,
                                              keeper_options options) {
    const result<core_settings> settings = settings_of(options);
    if (!settings) {
        return std::unexpected{settings.error()};
    }
    auto made = std::make_unique<server>(std::move(loop), std::move(options), *settings);
    if (const result<void> listening = made->listen(); !listening) {
        return std::unexpected{listening.error()};
    }
    return made;
}

}  // namespace muster::zookeeper
