#pragma once

/// @file
/// One connection: handshake, frames in and out, heartbeats, and the requests that wait for replies
/// on it.
///
/// Outgoing frames gather in one buffer, and one write is in flight at a time. What is sent while
/// input is handled goes out when that input has been used up; what is sent otherwise, when the
/// loop has handled what is ready.

#include "mesh/frame.hpp"
#include "mesh/mesh.hpp"
#include "mesh/reply_slots.hpp"
#include "runtime/loop.hpp"

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::mesh {

class mesh_core;
class peer_link;

/// Threads: its loop only, but for `answer` and what says "any thread".
/// Lifetime: held by its worker until `close()`.
class connection : public std::enable_shared_from_this<connection> {
public:
    connection(mesh_core& core, std::size_t worker, std::unique_ptr<runtime::stream> stream);
    ~connection();

    /// The other side speaks first.
    void start_accepted();
    /// Greets for `link`, which hears how it ended; `seen` as in `hello`.
    void start_dialled(std::shared_ptr<peer_link> link, std::uint64_t dial, std::uint64_t seen);

    void send_request(std::string_view body, instant deadline, reply_fn done);
    void send_frame(frame_type type,
                    std::uint64_t id,
                    std::string_view body,
                    std::string_view lead = {});
    /// Whole frames, `count` of them; `frames` and `kept` are left empty. `kept` is what to keep of
    /// those of free types.
    void send_frames(std::string& frames, std::uint64_t count, std::vector<posted>& kept);

    /// Any thread. `body` is of a reply or failure to request `id`.
    void answer(std::uint64_t id, frame_type type, std::string_view body);

    /// The node has another id than when this connection was made, or has its first one, or a key.
    void identity_changed();

    /// Ends it; requests that wait end with `outcome_unknown`, or `closed` when the node stops.
    void close(const error& why);

    /// Its loop has stopped: lets go of those who wait here.
    void drop();

    /// Any thread.
    [[nodiscard]] const std::shared_ptr<runtime::loop>& home() const noexcept { return loop_; }
    [[nodiscard]] bool is_dialled() const noexcept { return dialled_; }
    [[nodiscard]] std::uint64_t dial() const noexcept { return dial_; }
    [[nodiscard]] std::size_t max_body() const noexcept { return max_body_; }
    /// Bytes not yet handed to the network.
    [[nodiscard]] std::size_t backlog() const noexcept {
        return backlog_.load(std::memory_order_relaxed);
    }

private:
    /// waiting: for this node's id, or for the key. proving: what follows a challenge.
    enum class phase : std::uint8_t { greeting, waiting, proving, open, leaving, closed };

    void begin();
    void read();
    void on_read(result<std::size_t> got);
    void take_frames();
    [[nodiscard]] bool take_preamble(std::string_view input);
    void take(const frame& one);
    void take_open(const frame& one);
    void take_request(const frame& one);

    // The handshake: greeting.cpp.
    [[nodiscard]] bool can_greet() const;
    void go_on();
    void say(frame_type type, std::string_view body);
    [[nodiscard]] std::uint64_t own_features() const noexcept;
    [[nodiscard]] hello own_hello() const;
    void make_provable(hello& mine) const;
    void greet();
    void take_greeting(const frame& one);
    void judge();
    void challenge();
    void take_proof(const frame& one);
    void admit();
    void take_answer(const frame& one);
    void take_refusal(const frame& one);
    void take_challenge(const frame& one);
    [[nodiscard]] bool is_whom_it_dialled(const hello& theirs);
    void connected(const hello& theirs);
    [[nodiscard]] const char* mismatch(const hello& theirs) const;
    void refuse(errc code, std::string text, bool duplicate = false);
    void distrust(std::string_view why);

    [[nodiscard]] bool take_over(const member_id& life);
    void predecessor_ended();
    void open(const hello& theirs);
    void broken(std::string_view why);
    void take_confirm(std::uint64_t count);

    void append(frame_type type,
                std::uint64_t id,
                std::string_view body,
                std::string_view lead = {});
    void append_to_run(std::uint8_t type, std::string_view body, std::string_view lead);
    void flush();
    void flush_later();
    void sent(const result<void>& outcome);
    void sent_all(std::string& bytes);
    void write_ahead();
    void tally_out(std::size_t bytes);
    [[nodiscard]] std::size_t out_left() const noexcept { return out_.size() - out_begin_; }
    void take_answers();
    void beat();
    void arm_due();
    void expire();

    mesh_core& core_;  ///< Owns this; not touched once this is closed.
    const std::size_t worker_;
    const std::shared_ptr<runtime::loop> loop_;
    const std::size_t max_body_;
    const std::size_t max_backlog_;
    std::unique_ptr<runtime::stream> stream_;
    std::unique_ptr<runtime::timer> beat_;  ///< Of the handshake, then of the heartbeat.
    std::unique_ptr<runtime::timer> due_;
    const std::string address_;  ///< Of the other side, without its port.

    phase phase_ = phase::greeting;
    bool dialled_ = false;
    bool preamble_taken_ = false;
    bool preamble_said_ = false;
    bool counted_handshake_ = false;
    bool held_ = false;  ///< Until the connection before it has ended nothing is read.
    instant began_{};
    std::uint64_t dial_ = 0;
    std::uint64_t seen_ = 0;
    std::shared_ptr<peer_link> link_;  ///< Until it is closed; none for clients.
    member_id made_as_;
    member_id peer_id_;
    std::optional<std::string> key_;  ///< As it was when this side greeted.
    hello greeting_;                  ///< The other side's.
    std::string hello_bytes_;         ///< The dialler's, as it was sent.
    std::string awaited_proof_;       ///< The dialler's, on the other side.

    std::vector<char> in_;
    std::size_t begin_ = 0;  ///< What has been read and not used: [begin_, end_) of in_.
    std::size_t end_ = 0;
    std::size_t wanted_ = header_size;
    instant batch_time_{};
    bool in_batch_ = false;

    static constexpr std::size_t enough_to_write = 64U << 10U;
    /// Of frames that answer what is being read: the other side has to do while this one goes on
    /// reading. Fewer would wake it more often than they are worth.
    static constexpr std::uint64_t enough_answers = 16;

    std::string out_;
    open_run run_;  ///< At the end of `out_`.
    bool may_run_ = false;
    std::size_t out_begin_ = 0;               ///< So much of it has been written.
    std::size_t write_at_ = enough_to_write;  ///< What is left at which it is not waited with.
    std::string flight_;
    bool writing_ = false;
    bool flush_posted_ = false;
    std::uint64_t frames_out_ = 0;               ///< Put into `out_` since anything was written.
    std::uint64_t put_ = 0;                      ///< The same, each one of a run.
    std::uint64_t answers_at_ = enough_answers;  ///< `put_` at which it is not waited with.
    std::deque<posted> unconfirmed_;             ///< Frames of free types, oldest first.
    std::uint64_t taken_ = 0;  ///< Frames of free types taken and not confirmed yet.
    std::string peer_name_;
    member_id peer_life_;
    std::shared_ptr<void> memo_;  ///< Of whoever handles what comes on it.
    std::atomic<std::size_t> backlog_{0};

    reply_slots pending_;
    bool heard_ = false;
    bool spoke_ = false;
    duration silence_{};
    duration beat_period_{};
    instant due_at_ = never;  ///< What `due_` is set to.

    std::mutex answers_mutex_;
    std::string answers_;  // from other threads; guarded by answers_mutex_
};

}  // namespace muster::mesh
