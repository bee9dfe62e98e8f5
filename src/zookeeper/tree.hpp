#pragma once

/// @file
/// The znodes, and what may be done to them: the rules of Apache ZooKeeper 3.8's
/// PrepRequestProcessor and DataTree, without network, clock or threads.
///
/// Every change is checked completely before anything is touched, so a refused one leaves no
/// trace. Several changes can be tied together between `begin` and `commit`; `rollback` undoes
/// them. The order of the checks decides which error a client sees, and follows the original's.

#include "zookeeper/access.hpp"
#include "zookeeper/protocol.hpp"
#include "zookeeper/types.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster::zookeeper {

template <class T>
using answer = std::expected<T, zk_error>;

/// What `znode::owner` says.
enum class node_kind : std::uint8_t { plain, ephemeral, container, ttl };

inline constexpr std::int64_t container_owner = std::numeric_limits<std::int64_t>::min();
/// About 34 years, in ms (EphemeralType.TTL).
inline constexpr std::int64_t longest_ttl = 0x000000ffffffffff;

struct znode {
    std::string path;
    std::string data;
    bool null_data = false;
    std::shared_ptr<const acl> access;
    std::int64_t czxid = 0;
    std::int64_t mzxid = 0;
    std::int64_t pzxid = 0;
    std::int64_t ctime = 0;
    std::int64_t mtime = 0;
    std::int32_t version = 0;
    std::int32_t creates = 0;  ///< children ever made: the source of sequence numbers
    std::int32_t aversion = 0;
    std::int64_t owner = 0;               ///< a session, `container_owner`, 0xff00… | ttl, or 0
    std::set<std::string_view> children;  ///< views into the children's paths

    [[nodiscard]] node_kind kind() const noexcept;
    /// As clients see it: cversion counts creations and deletions, and only a session is an owner.
    [[nodiscard]] stat meta() const;
};

/// Under what a change is made: its transaction, and on whose behalf.
struct change_context {
    std::int64_t zxid = 0;
    std::int64_t unix_ms = 0;
    std::int64_t session = 0;
    std::span<const identity> who;
};

/// A change that watches may want to hear of; `access` is that of the znode, for only those who may
/// read it hear.
struct tree_event {
    event_type type = event_type::none;
    std::string path;
    std::shared_ptr<const acl> access;
};

/// Threads: one at a time.
class tree {
public:
    /// With the znodes that a fresh server shows: /zookeeper, its quota and its config.
    tree();
    tree(const tree&) = delete;
    tree& operator=(const tree&) = delete;
    ~tree() = default;

    /// "" is another name of "/".
    [[nodiscard]] const znode* find(std::string_view path) const;

    /// Errors, in this order: bad_arguments (mode, TTL, no '/'), invalid_acl, no_node, no_auth,
    /// bad_arguments (the path), node_exists, no_children_for_ephemerals.
    answer<const znode*> create(const protocol::create_request& what, const change_context& by);
    /// Errors: bad_arguments, no_node, no_auth, bad_version, not_empty.
    answer<void> remove(std::string_view path, std::int32_t version, const change_context& by);
    /// Errors: bad_arguments, no_node, no_auth, bad_version.
    answer<stat> set(const protocol::set_data_request& what, const change_context& by);
    answer<void> check(std::string_view path, std::int32_t version, const change_context& by) const;
    answer<stat> set_acl(const protocol::set_acl_request& what, const change_context& by);

    /// Deletes the ephemerals of `session`.
    void end_session(std::int64_t session, std::int64_t zxid);
    /// Containers that have had children and have none, and childless znodes whose TTL has passed
    /// since their last change.
    [[nodiscard]] std::vector<std::string> reapable(std::int64_t unix_ms) const;
    /// Deletes one of them, unless it has got a child since.
    void reap(std::string_view path, std::int64_t zxid);

    /// From here on changes can be undone together. Only one such group at a time.
    void begin();
    void commit();
    void rollback();

    /// What happened since the last call, oldest first.
    [[nodiscard]] std::vector<tree_event> take_events();

    /// As the original counts: the root twice.
    [[nodiscard]] std::size_t node_count() const noexcept { return nodes_.size() + 1; }
    [[nodiscard]] std::size_t ephemeral_count() const noexcept { return ephemeral_count_; }
    [[nodiscard]] std::size_t data_size() const noexcept { return data_size_; }
    /// The znodes below `path`, at any depth.
    [[nodiscard]] std::size_t descendants(const znode& of) const;

    using owned_paths = std::map<std::int64_t, std::set<std::string_view>>;
    [[nodiscard]] const owned_paths& ephemerals() const noexcept { return ephemerals_; }

private:
    /// How to take one change back.
    struct undo_step {
        std::string made;                ///< a path that was created, or
        std::unique_ptr<znode> removed;  ///< a znode that was deleted, or
        znode* changed = nullptr;        ///< one whose data was set;
        std::string data;                ///< and what had been there:
        bool null_data = false;
        std::int64_t mzxid = 0;
        std::int64_t mtime = 0;
        std::int32_t version = 0;
        std::int64_t parent_pzxid = 0;
    };

    [[nodiscard]] znode* find_mutable(std::string_view path);
    znode* insert(std::unique_ptr<znode> made);
    std::unique_ptr<znode> erase(std::string_view path);
    void drop(std::string_view path, std::int64_t zxid);
    void note(event_type type, const znode& of);
    [[nodiscard]] std::set<std::string_view>* index_of(const znode& of);
    [[nodiscard]] std::shared_ptr<const acl> interned(acl access) const;
    void add_system_node(std::string path);
    void undo(undo_step& step);

    boost::unordered_flat_map<std::string_view, std::unique_ptr<znode>> nodes_;
    owned_paths ephemerals_;
    std::set<std::string_view> containers_;
    std::set<std::string_view> timed_;
    std::shared_ptr<const acl> open_;
    std::size_t ephemeral_count_ = 0;
    std::size_t data_size_ = 0;
    bool in_group_ = false;
    std::vector<undo_step> undo_;
    std::vector<tree_event> events_;
};

}  // namespace muster::zookeeper
