#pragma once

/// @file
/// A simulated TCP connection: two parties and two pipes, as their kernels see it.
///
///     party 0 (who connected)  == pipe 0 ==>  party 1 (who accepted)
///                              <== pipe 1 ==
///
/// A pipe keeps its bytes in one buffer: those taken by the reader, those that have arrived, those
/// still on their way. What is on its way is a list of packets, each with the instant it is due.

#include "runtime/sim/fabric.hpp"

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace muster::runtime::sim {

/// Who is told about a party's end of a connection: its stream.
class observer {
public:
    virtual void can_read() = 0;
    virtual void can_write() = 0;

protected:
    ~observer() = default;
};

class connection final : public std::enable_shared_from_this<connection> {
public:
    struct party {
        std::size_t machine = 0;
        std::shared_ptr<process_core> owner;
        endpoint at;
        observer* told = nullptr;
        bool closed = false;  ///< Its program wants nothing of it any more, or is dead.
        bool ended = false;   ///< The other party has finished writing.
        std::optional<std::string> broken;
    };

    connection(fabric& world, party client, party server, std::weak_ptr<listener_core> door);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // --- What a stream asks for; `me` is 0 or 1 ---
    [[nodiscard]] const endpoint& at(std::size_t me) const { return parties_[me].at; }
    void attach(std::size_t me, observer* told) { parties_[me].told = told; }
    [[nodiscard]] bool is_readable(std::size_t me) const;
    [[nodiscard]] const std::optional<std::string>& broken(std::size_t me) const {
        return parties_[me].broken;
    }
    /// Moves arrived bytes into `into`; 0 at the end of the stream. Readable and not broken.
    std::size_t take(std::size_t me, std::span<char> into);
    [[nodiscard]] bool has_bytes(std::size_t me) const;
    /// Sends as many of `bytes` as there is room for: how many.
    std::size_t offer(std::size_t me, std::string_view bytes);
    void close(std::size_t me);
    /// Closes without a word of farewell.
    void reset(std::size_t me);
    void set_user_timeout(std::size_t me, duration limit);
    /// The client's last step of the handshake: from here on the server can accept.
    void open();

    // --- What happens to it ---
    void way_cut(std::size_t from, std::size_t to);
    void way_healed(std::size_t from, std::size_t to);
    void break_between(std::size_t a, std::size_t b);
    void owner_died(const process_core& owner);

private:
    enum class packet_kind : std::uint8_t { open, data, end, reset };

    struct packet {
        instant due;
        std::size_t size = 0;
        packet_kind kind = packet_kind::data;
    };

    /// From party `from` to the other one. As an event: the arrival of the first packet.
    class pipe final : public event {
    public:
        pipe(connection& whole, std::size_t from) : whole_{whole}, from_{from} {}
        void happen() override;

        connection& whole_;
        const std::size_t from_;
        std::string bytes_;
        std::size_t taken_ = 0;
        std::size_t arrived_ = 0;
        std::deque<packet> flight_;
        instant last_due_{};
        std::size_t unacknowledged_ = 0;
        std::size_t owed_ = 0;  ///< Arrived, but the acknowledgement is held back by a cut.
        instant stalled_since_{};
    };

    /// Breaks a party's end whose bytes stay unacknowledged.
    class watchdog final : public event {
    public:
        watchdog(connection& whole, std::size_t me) : whole_{whole}, me_{me} {}
        void happen() override;

        connection& whole_;
        const std::size_t me_;
        duration limit_ = default_limit;
        /// What Linux waits by default (tcp_retries2 = 15).
        static constexpr duration default_limit = 924s;
    };

    [[nodiscard]] link& way(const pipe& along);
    void push(pipe& along, packet_kind kind, std::size_t size);
    void arrive(pipe& along, const packet& what);
    void receive_data(pipe& along, std::size_t size);
    void acknowledge(pipe& along, std::size_t size);
    void break_end(std::size_t me, std::string why);
    void accept();
    void note(const pipe& along, std::string_view what, std::string_view bytes = {});
    static void compact(pipe& along);

    fabric& world_;
    const std::weak_ptr<listener_core> door_;
    std::array<party, 2> parties_;
    std::array<pipe, 2> pipes_{pipe{*this, 0}, pipe{*this, 1}};
    std::array<watchdog, 2> watchdogs_{watchdog{*this, 0}, watchdog{*this, 1}};
};

}  // namespace muster::runtime::sim
