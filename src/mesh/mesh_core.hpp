#pragma once

/// @file
/// What the connections of one mesh share.
///
/// A connection lives on one worker for its whole life: the one that accepted or dialled it. A
/// `peer_link` is what there is between this node and one incarnation of a member, whether
/// connected or not; it takes requests from any thread and decides which of two connections stays.
/// Its mutex, and those of the directory and of answers from other threads, are the only ones
/// here. They guard a few moves each and are never held while a handler runs: posting a task for
/// each message to the worker instead costs an allocation and a wake for each.

#include "mesh/connection.hpp"
#include "mesh/mesh.hpp"
#include "mesh/peer_link.hpp"

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace muster::mesh {

/// One worker, as the mesh sees it. Threads: its loop, but for `home`.
struct worker {
    std::shared_ptr<runtime::loop> home;
    std::unordered_set<std::shared_ptr<connection>> connections;
    reply_slots own_requests;  ///< To this node itself.
    std::shared_ptr<void> own_memo;
    std::unique_ptr<runtime::timer> own_timer;
};

/// By batches, not by frames; for the node, and for the peer once it is known.
inline void add(std::atomic<std::uint64_t>& all,
                std::atomic<std::uint64_t>* of_peer,
                std::uint64_t more) {
    all.fetch_add(more, std::memory_order_relaxed);
    if (of_peer != nullptr) {
        of_peer->fetch_add(more, std::memory_order_relaxed);
    }
}

class mesh_core : public std::enable_shared_from_this<mesh_core> {
public:
    mesh_core(std::vector<std::shared_ptr<runtime::loop>> loops,
              settings wanted,
              mesh::on_request handler);

    /// On the first worker.
    [[nodiscard]] result<void> listen();
    [[nodiscard]] runtime::endpoint local() const;

    void become(member_id id);
    void set_key(std::string key);
    void request(const peer& to, std::string_view body, instant deadline, reply_fn done);
    void request(peer_link& by, std::string_view body, instant deadline, reply_fn done);
    [[nodiscard]] result<void> post(const peer& to,
                                    std::uint8_t type,
                                    std::uint64_t id,
                                    std::string_view body);
    [[nodiscard]] result<void> post(peer_link& by,
                                    std::uint8_t type,
                                    std::uint64_t id,
                                    std::string_view lead,
                                    std::string_view body);
    [[nodiscard]] std::size_t waiting_for(const peer& to) const;
    [[nodiscard]] std::vector<peer_counters> peers() const;
    [[nodiscard]] bool is_connected(const member_id& id) const;
    void stop(task_fn done);
    void drop();

    // --- For connections and links -------------------------------------------------------------

    [[nodiscard]] const settings& wanted() const noexcept { return settings_; }
    [[nodiscard]] member_id self() const;
    /// Nothing: nobody is authenticated. Empty: it is not known yet.
    [[nodiscard]] std::optional<std::string> key() const;
    [[nodiscard]] bool has_stopped() const noexcept { return stopped_.load(); }
    [[nodiscard]] bool is_client() const noexcept { return !settings_.accept; }
    /// None once the node stops.
    [[nodiscard]] std::shared_ptr<peer_link> link_to(const peer& to);
    [[nodiscard]] worker& worker_at(std::size_t index) { return *workers_[index]; }
    [[nodiscard]] std::uint64_t next_dial() { return next_dial_.fetch_add(1) + 1; }
    void handle(incoming request) { handler_(std::move(request)); }
    /// What handles frames of that type, 64 to 255; null: nothing does.
    [[nodiscard]] const frame_handler* handler_of(std::uint8_t type) const noexcept {
        return frame_handlers_[type];
    }
    /// From now on `mine` is the connection with that life: the one before it, or null, if there
    /// was one. Nothing: since `began` there has been another, which is newer.
    [[nodiscard]] std::optional<std::shared_ptr<connection>> succeed(
        const member_id& life, const std::shared_ptr<connection>& mine, instant now, instant began);
    /// Without a lock held.
    void tell_unconfirmed(const peer& to, const std::vector<posted>& frames) const;
    void tell_lost(const member_id& id, const error& why) const;
    void answer_own(std::size_t at, std::uint64_t id, result<std::string> answer);

    /// False when that address has too many handshakes under way.
    [[nodiscard]] bool begin_handshake(const std::string& address);
    void end_handshake(const std::string& address);

    struct tallies {
        std::atomic<std::uint64_t> connections{0}, frames_in{0}, frames_out{0}, bytes_in{0},
            bytes_out{0}, refused{0}, broken{0};
    };
    tallies tally;

private:
    void tell_connections();
    [[nodiscard]] std::shared_ptr<peer_link> known_link(const member_id& id) const;
    void accepted(std::unique_ptr<runtime::stream> stream);
    [[nodiscard]] std::size_t current_worker();
    void request_own(std::string_view body, instant deadline, reply_fn done);
    void run_own(std::size_t at, std::string body, instant deadline, reply_fn done);
    void expire_own(std::size_t at);
    void end_later(reply_fn done, error why);
    void close_worker(std::size_t at);
    void sweep_links();

    const settings settings_;
    const mesh::on_request handler_;
    std::array<const frame_handler*, 256> frame_handlers_{};  ///< Those of `settings_`.
    std::vector<std::unique_ptr<worker>> workers_;
    std::unique_ptr<runtime::listener> listener_;  // on the first worker
    runtime::endpoint local_;
    std::atomic<bool> stopped_{false};
    std::atomic<std::uint64_t> next_dial_{0};
    std::atomic<std::size_t> next_worker_{0};

    mutable std::shared_mutex directory_mutex_;
    member_id self_;                                                   // guarded by it
    std::optional<std::string> key_;                                   // guarded by it
    std::unordered_map<member_id, std::shared_ptr<peer_link>> links_;  // guarded by it
    std::map<std::string, std::shared_ptr<peer_link>> by_address_;     // peers without an id; same
    std::size_t sweep_at_ = 1024;                                      // guarded by it
    struct latest {
        std::weak_ptr<connection> which;
        instant since;
    };
    std::unordered_map<member_id, latest> by_life_;  // guarded by it
    std::size_t sweep_lives_at_ = 1024;              // guarded by it

    std::mutex handshake_mutex_;
    std::map<std::string, std::size_t> handshakes_;  // guarded by it
};

}  // namespace muster::mesh
