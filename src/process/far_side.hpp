#pragma once

/// @file
/// Processes of other lives: what goes to them and comes from them over the mesh.
///
/// A message is a frame of its own, and is left as bytes until a process takes it. An ask is a
/// request of the mesh, which sees to its deadline and its end. What watches processes is kept on
/// the first worker: when a connection is lost, each watch is asked for anew, and ends if that
/// fails; so a monitor ends in one notice whatever happens in between.

#include "muster/pid.hpp"
#include "muster/process.hpp"

#include "base/callback.hpp"
#include "mesh/mesh.hpp"
#include "process/far_parcel.hpp"
#include "runtime/per_thread.hpp"
#include "runtime/published.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace muster::process_detail {

class host_core;
struct far_call;
struct far_message;
struct far_signal;
struct slot;

/// Threads:  any, but what the mesh tells, which comes on its workers.
/// Lifetime: its host_core's.
class far_side {
public:
    /// Where the life of another node is reached; nothing: it is not known here.
    using find_peer = std::function<std::optional<mesh::peer>(const member_id& life)>;
    using told_fn = std::move_only_function<void(const pid&, const exit_reason&)>;

    explicit far_side(host_core& home) : home_{home} {}

    /// From here on others can be reached; `has_ended` says of a life that `find` does not know
    /// whether it is known to be over. Once.
    void attach(mesh::mesh& net,
                find_peer find,
                std::function<bool(const member_id& life)> has_ended);
    /// The mesh is about to end.
    void detach() { net_.store(nullptr); }

    // --- From here -----------------------------------------------------------------------------

    [[nodiscard]] result<void> send(const pid& to,
                                    detail::local_ref from,
                                    const detail::message_type& type,
                                    const void* body);
    [[nodiscard]] result<void> deliver(const pid& to, detail::parcel_ptr one);
    /// As `router::offer`; without `back` an ask answers whatever becomes of it.
    [[nodiscard]] result<void> offer(const pid& to,
                                     detail::parcel_ptr& one,
                                     detail::unsent_fn back);
    void monitor(std::uint64_t which, const pid& who, told_fn told);
    void demonitor(std::uint64_t which, const pid& who);
    void link(const pid& own, const pid& who);
    void unlink(const pid& own, const pid& who);
    void exit(const pid& own, const pid& who, const exit_reason& why, bool by_link);
    void kill(const pid& who);
    void when_writable(const pid& who, completer<void> told);
    /// A message that came from far was accepted here, and lost.
    void tell_lost(const detail::parcel& one, const pid& to);
    void tell_lost(const detail::far_node& at, const detail::local_ref& from, const pid& to);
    /// Starts what `name` makes of `arguments`, on that life.
    void spawn(const member_id& life, std::string name, std::string arguments, completer<pid> told);

    /// What that process takes: the JSON array of what `describe_message` says.
    void shapes(const pid& of, callback<result<std::string>> done);

    // --- From the mesh, and from who knows the members -----------------------------------------

    void take_message(const mesh::arrival& one);
    void take_signal(const mesh::arrival& one);
    /// Whether it was for processes.
    [[nodiscard]] bool take_request(mesh::incoming& what);
    void unconfirmed(std::uint8_t type, const mesh::frame_note& note, std::uint32_t count);
    /// The connection to that member has ended, or did not come about.
    void lost(const member_id& id);
    void life_ended(const member_id& life);
    /// What `find_peer` says has changed.
    void peers_changed();

    static constexpr std::uint8_t message_frame = 64;
    static constexpr std::uint8_t signal_frame = 65;

private:
    struct watch {
        pid who;
        told_fn told;
        std::uint64_t there = 0;  ///< its number on the other side, the last that is known
        bool is_there = false;    ///< since the last trouble with its connection
        instant since{};          ///< of that trouble
        member_id at{};           ///< the peer that was asked
    };
    /// A process of here that another node watches.
    struct watched {
        detail::local_ref who;
        member_id by;              ///< the peer that asked
        std::uint64_t number = 0;  ///< as it is called there
    };
    struct far_link {
        bool is_there = false;  ///< also on the other side
        member_id at{};         ///< the peer that was asked, or that asked
    };
    using watch_map = std::map<std::uint64_t, watch>;
    using learned_map = std::map<member_id, mesh::peer>;
    struct way_map {
        std::map<member_id, std::shared_ptr<mesh::way>> ways;
        std::uint64_t edition = 0;  ///< another one whenever one has gone, in the whole program
    };
    [[nodiscard]] static std::uint64_t next_edition() noexcept;

    /// A message as it leaves; its bytes until the next is encoded on this thread.
    struct outgoing {
        std::shared_ptr<const void> keep;  ///< the way
        mesh::way* way = nullptr;
        mesh::mesh* net = nullptr;
        std::string_view bytes;
    };
    [[nodiscard]] result<outgoing> way_for(const pid& to, const detail::message_type& type);
    [[nodiscard]] result<outgoing> encoded(const pid& to,
                                           detail::local_ref from,
                                           const detail::message_type& type,
                                           const void* body,
                                           std::string_view mark);
    [[nodiscard]] std::optional<mesh::peer> find(const member_id& life) const;
    [[nodiscard]] mesh::way* way_to(const member_id& life, std::shared_ptr<const void>& keep);
    void learn(const member_id& life, const member_id& id);
    void forget_way(const member_id& life);
    [[nodiscard]] const std::shared_ptr<const detail::far_node>& node_of(
        const member_id& life,
        const member_id& id,
        std::string_view name,
        std::shared_ptr<void>& memo);
    [[nodiscard]] slot* place_on_this_thread(std::uint32_t index) const;
    [[nodiscard]] static bool take_at_once(slot* place,
                                           const detail::local_ref& to,
                                           far_message& one);
    [[nodiscard]] result<void> take_later(const detail::local_ref& to, far_message&& one);
    void tell_lost(const pid& sender, const pid& to, std::uint64_t count);
    [[nodiscard]] error no_way(const pid& to) const;
    void on_home(task_fn job);
    void call(const member_id& life, far_call what, callback<result<std::string>> done);
    void signal(const member_id& life, const far_signal& what);
    void signal_later(const far_signal& what);
    void tell_owed();
    void check_link(const pid& own, const pid& who, instant since);
    void end_link(const pid& own, const pid& who, exit_reason why);
    void ask_for_watch(std::uint64_t which, const pid& who);
    void watch_answered(std::uint64_t which, const pid& who, const result<std::string>& got);
    void ask_again(std::uint64_t which);
    [[nodiscard]] std::optional<instant> when_again(instant& since) const;
    void end_there(const pid& who, std::uint64_t number);
    void unlink_there(const pid& own, const pid& who);
    [[nodiscard]] member_id peer_of(const pid& who) const;
    void watched_by(const member_id& life, std::uint64_t here, const watched& one);
    void ask_for_link(const pid& own, const pid& who, instant since);
    void link_answered(const pid& own,
                       const pid& who,
                       instant since,
                       const result<std::string>& got);
    void unwatch(const member_id& life, std::uint64_t number);
    void forget_watchers_of(const member_id& id);
    void stop_watching(const detail::local_ref& who, std::uint64_t number);
    void end_watch(std::uint64_t which, exit_reason why);
    void end_links(const member_id& life, ending how);
    void forget_if_away(const member_id& life, const member_id& id);
    void watch_for(const far_call& what,
                   const mesh::incoming& from,
                   const std::shared_ptr<mesh::responder>& answer);
    void answer_call(far_call& what, const mesh::incoming& from, mesh::responder answer);
    void poll_writable(pid who, completer<void> told);
    void look_again(pid who, completer<void> told);
    void ask_writable(pid who, completer<void> told);

    host_core& home_;
    std::atomic<mesh::mesh*> net_{nullptr};
    find_peer find_;
    std::function<bool(const member_id&)> has_ended_;
    runtime::published<learned_map> learned_{std::make_shared<const learned_map>()};
    std::atomic<std::uint64_t> unlearned_{0};  ///< How often something went out of `learned_`.
    /// What `find` would say, found already: nothing in it is older than the last `peers_changed`.
    runtime::per_thread<way_map> ways_{
        std::make_shared<const way_map>(way_map{{}, next_edition()})};
    // On the first worker:
    watch_map watches_;
    std::map<std::pair<pid, pid>, far_link> links_;  ///< one of here, one of there
    /// Processes of here that others watch, by who and by the number it was given for that.
    std::map<std::pair<member_id, std::uint64_t>, watched> watchers_;
    /// That number, by who and by the number it has there.
    std::map<std::pair<member_id, std::uint64_t>, std::uint64_t> watcher_numbers_;
    /// What could not be told yet how often: of a message of the first that the second did not get.
    std::map<std::pair<pid, pid>, std::uint64_t> owed_;
};

}  // namespace muster::process_detail
