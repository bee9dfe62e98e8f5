#pragma once

/// @file
/// What there is between this node and one incarnation of a member: requests that wait, the one
/// connection, or the attempt to make it.
///
/// One connection is enough for both directions, and when both sides dial at once the one dialled
/// by the smaller id stays. A hello names the dialler's newest connection that was dialled by the
/// other side: so the smaller side can tell a crossing dial, which it refuses, from a peer that has
/// lost its connection and dials again, which replaces the old one.

#include "mesh/frame.hpp"
#include "mesh/mesh.hpp"
#include "mesh/reply_slots.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace muster::mesh {

class connection;
class mesh_core;

/// Threads: any, but what says "home": its first worker, which dials.
/// Lifetime: held by the directory and by its connection.
class peer_link final : public way, public std::enable_shared_from_this<peer_link> {
public:
    peer_link(std::weak_ptr<mesh_core> core, peer who, std::size_t home);
    ~peer_link() override;
    [[nodiscard]] bool is_over() const noexcept override { return is_over_.load(); }

    /// False if this link has been retired: ask the directory for another. Else `done` will run.
    /// `core` is the mesh of this link.
    [[nodiscard]] bool request(mesh_core& core,
                               std::string_view body,
                               instant deadline,
                               reply_fn& done);
    [[nodiscard]] result<bool> post(mesh_core& core,
                                    std::uint8_t type,
                                    std::uint64_t id,
                                    std::string_view lead,
                                    std::string_view body);

    /// A peer dialled in and was found to be who it says: whether its connection is the one to
    /// keep. The one that is not kept is closed.
    [[nodiscard]] bool offer(const std::shared_ptr<connection>& dialled_in, const hello& greeting);
    /// Our own dial was answered: the same.
    [[nodiscard]] bool opened(const std::shared_ptr<connection>& dialled);
    /// Our own dial ended. With `duplicate` the requests go on waiting for the peer's connection.
    void dial_failed(std::uint64_t dial, const error& why, bool duplicate);
    /// That connection has ended.
    void closed(const connection& which);

    [[nodiscard]] member_id id() const noexcept { return id_; }
    [[nodiscard]] std::string address() const;
    /// Where to dial, once known; a peer that dialled in had none.
    void set_address(const std::string& address);
    [[nodiscard]] bool has_address() const noexcept { return has_address_.load(); }
    /// For good, if nothing is under way.
    [[nodiscard]] bool retire();
    /// The node stops: everything that waits ends with `closed`.
    void stop();
    /// Home: lets go of timers and attempts.
    void release();
    [[nodiscard]] std::size_t home() const noexcept { return home_; }
    /// Bytes that wait to be sent.
    [[nodiscard]] std::size_t backlog() const;
    [[nodiscard]] bool is_open() const;
    [[nodiscard]] peer_counters count() const;

    /// Added to by its connections.
    struct tallies {
        std::atomic<std::uint64_t> connections{0}, frames_in{0}, frames_out{0}, bytes_in{0},
            bytes_out{0}, unconfirmed{0};
        std::atomic<std::uint32_t> version{0};
        std::atomic<std::uint64_t> features{0};
    };
    tallies tally;

private:
    enum class phase : std::uint8_t { idle, dialing, open, retired };

    struct waiting {
        frame_type type{};
        std::uint64_t id = 0;
        std::string body;
        instant deadline;
        reply_fn done;  ///< empty for a one-way frame
    };
    struct attempt;

    void wake(mesh_core& core);
    void pump(const std::shared_ptr<mesh_core>& core);
    void pump_closed(const std::shared_ptr<mesh_core>& core, std::unique_lock<std::mutex> lock);
    [[nodiscard]] std::vector<waiting> take_expired(instant now);
    /// Ends what was never sent.
    void end(mesh_core& core, std::vector<waiting> ended, const error& why);
    void dial(const std::shared_ptr<mesh_core>& core);
    void connect_next(const std::shared_ptr<mesh_core>& core);
    void start_greeting(const std::shared_ptr<mesh_core>& core,
                        std::unique_ptr<runtime::stream> stream);
    void abandon_dial(std::uint64_t dial);

    const std::weak_ptr<mesh_core> core_;
    const member_id id_;
    const std::size_t home_;
    std::atomic<bool> has_address_{false};
    std::atomic<bool> is_over_{false};  ///< `phase_` is `retired`.

    mutable std::mutex mutex_;
    phase phase_ = phase::idle;  // all up to the next blank line: guarded by mutex_
    std::string address_;
    std::shared_ptr<connection> current_;
    std::vector<waiting> waiting_;
    std::string frames_;              ///< Whole one-way frames for the open connection.
    std::vector<posted> kept_;        ///< Of `frames_`, one for each.
    std::size_t queued_ = 0;          ///< Bytes in `waiting_`.
    instant first_deadline_ = never;  ///< Of `waiting_`.
    bool wake_posted_ = false;
    std::uint64_t dial_ = 0;  ///< Of the attempt under way.
    std::uint64_t seen_ = 0;
    std::uint64_t seen_before_dial_ = 0;
    unsigned failures_ = 0;
    instant not_before_{};  ///< The next dial.

    std::unique_ptr<runtime::timer> timer_;  // home
    std::unique_ptr<attempt> attempt_;       // home
};

}  // namespace muster::mesh
