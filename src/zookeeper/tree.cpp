#include "zookeeper/tree.hpp"

#include "base/check.hpp"
#include "zookeeper/znode_path.hpp"

#include <cstdio>
#include <optional>
#include <utility>

namespace muster::zookeeper {
namespace {

constexpr std::uint64_t ttl_mark = 0xff00000000000000ULL;

bool is_special(std::string_view path) {
    return path == "/" || path == "/zookeeper" || path == "/zookeeper/quota" ||
           path == "/zookeeper/config";
}

/// For '/' and NUL only: the rest of the rules comes after other checks.
bool has_parent(std::string_view path) {
    return path.rfind('/') != std::string_view::npos && path.find('\0') == std::string_view::npos;
}

/// Versions go on after 2^31 as the original's do: from the smallest number.
std::int32_t next_version(std::int32_t version) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(version) + 1U);
}

bool version_fits(std::int32_t current, std::int32_t expected) {
    return expected == any_version || expected == current;
}

bool is_sequential(create_mode mode) {
    return mode == create_mode::persistent_sequential ||
           mode == create_mode::ephemeral_sequential ||
           mode == create_mode::persistent_sequential_with_ttl;
}

bool is_ephemeral(create_mode mode) {
    return mode == create_mode::ephemeral || mode == create_mode::ephemeral_sequential;
}

bool has_ttl(create_mode mode) {
    return mode == create_mode::persistent_with_ttl ||
           mode == create_mode::persistent_sequential_with_ttl;
}

/// The mode that `flags` stand for, if it goes with the request's kind and TTL.
std::optional<create_mode> mode_of(const protocol::create_request& what) {
    if (what.flags < 0 || what.flags > 6) {
        return std::nullopt;
    }
    const auto mode = static_cast<create_mode>(what.flags);
    const bool timed = what.code == protocol::op_code::create_ttl;
    if (has_ttl(mode) != timed) {
        return std::nullopt;
    }
    if (timed && (what.ttl_ms <= 0 || what.ttl_ms > longest_ttl)) {
        return std::nullopt;
    }
    return mode;
}

/// The kind of request decides what is made, not its flags.
std::int64_t owner_of(const protocol::create_request& what,
                      create_mode mode,
                      std::int64_t session) {
    if (what.code == protocol::op_code::create_container) {
        return container_owner;
    }
    if (what.code == protocol::op_code::create_ttl) {
        return static_cast<std::int64_t>(ttl_mark | static_cast<std::uint64_t>(what.ttl_ms));
    }
    return is_ephemeral(mode) ? session : 0;
}

}  // namespace

node_kind znode::kind() const noexcept {
    if (owner == 0) {
        return node_kind::plain;
    }
    if (owner == container_owner) {
        return node_kind::container;
    }
    return (static_cast<std::uint64_t>(owner) & ttl_mark) == ttl_mark ? node_kind::ttl
                                                                      : node_kind::ephemeral;
}

stat znode::meta() const {
    stat seen;
    seen.czxid = czxid;
    seen.mzxid = mzxid;
    seen.pzxid = pzxid;
    seen.ctime = ctime;
    seen.mtime = mtime;
    seen.version = version;
    seen.aversion = aversion;
    seen.num_children = static_cast<std::int32_t>(children.size());
    // What is not there any more was deleted: one change more for each.
    seen.cversion = static_cast<std::int32_t>(static_cast<std::uint32_t>(creates) * 2U -
                                              static_cast<std::uint32_t>(seen.num_children));
    seen.ephemeral_owner = kind() == node_kind::ephemeral ? owner : 0;
    seen.data_length = static_cast<std::int32_t>(data.size());
    return seen;
}

tree::tree() : open_(std::make_shared<const acl>(open_acl())) {
    auto root = std::make_unique<znode>();
    root->path = "/";
    root->access = open_;
    const std::string_view key = root->path;
    nodes_.emplace(key, std::move(root));
    add_system_node("/zookeeper");
    add_system_node("/zookeeper/quota");
    add_system_node("/zookeeper/config");
    znode* config = find_mutable("/zookeeper/config");
    config->access = std::make_shared<const acl>(read_acl());
    config->aversion = -1;
    data_size_ = 0;
}

void tree::add_system_node(std::string path) {
    auto made = std::make_unique<znode>();
    made->path = std::move(path);
    made->access = open_;
    insert(std::move(made));
}

const znode* tree::find(std::string_view path) const {
    const auto at = nodes_.find(path.empty() ? std::string_view{"/"} : path);
    return at == nodes_.end() ? nullptr : at->second.get();
}

znode* tree::find_mutable(std::string_view path) {
    const auto at = nodes_.find(path.empty() ? std::string_view{"/"} : path);
    return at == nodes_.end() ? nullptr : at->second.get();
}

std::shared_ptr<const acl> tree::interned(acl access) const {
    return access == *open_ ? open_ : std::make_shared<const acl>(std::move(access));
}

std::set<std::string_view>* tree::index_of(const znode& of) {
    switch (of.kind()) {
        case node_kind::ephemeral:
            return &ephemerals_[of.owner];
        case node_kind::container:
            return &containers_;
        case node_kind::ttl:
            return &timed_;
        case node_kind::plain:
            break;
    }
    return nullptr;
}

/// Puts a znode in its place; its parent must exist.
znode* tree::insert(std::unique_ptr<znode> made) {
    znode* const node = made.get();
    data_size_ += node->path.size() + node->data.size();
    if (auto* index = index_of(*node)) {
        index->insert(node->path);
        ephemeral_count_ += node->kind() == node_kind::ephemeral ? 1 : 0;
    }
    find_mutable(parent_of(node->path))->children.insert(last_name_of(node->path));
    nodes_.emplace(std::string_view{node->path}, std::move(made));
    return node;
}

/// Takes a childless znode out of its place.
std::unique_ptr<znode> tree::erase(std::string_view path) {
    const auto at = nodes_.find(path);
    std::unique_ptr<znode> node = std::move(at->second);
    nodes_.erase(at);
    data_size_ -= node->path.size() + node->data.size();
    if (auto* index = index_of(*node)) {
        index->erase(node->path);
        if (node->kind() == node_kind::ephemeral) {
            --ephemeral_count_;
            if (index->empty()) {
                ephemerals_.erase(node->owner);
            }
        }
    }
    find_mutable(parent_of(node->path))->children.erase(last_name_of(node->path));
    return node;
}

void tree::note(event_type type, const znode& of) {
    events_.push_back(tree_event{type, of.path, of.access});
}

answer<const znode*> tree::create(const protocol::create_request& what, const change_context& by) {
    const auto mode = mode_of(what);
    if (!mode || !has_parent(what.path)) {
        return std::unexpected{zk_error::bad_arguments};
    }
    auto access = resolve_acl(what.access, by.who);
    if (!access) {
        return std::unexpected{access.error()};
    }
    znode* const parent = find_mutable(parent_of(what.path));
    if (parent == nullptr) {
        return std::unexpected{zk_error::no_node};
    }
    if (!permits(*parent->access, perm::create, by.who)) {
        return std::unexpected{zk_error::no_auth};
    }
    auto node = std::make_unique<znode>();
    node->path = what.path;
    if (is_sequential(*mode)) {
        char digits[16];
        std::snprintf(digits, sizeof digits, "%010d", parent->creates);
        node->path += digits;
    }
    if (!is_valid_path(node->path)) {
        return std::unexpected{zk_error::bad_arguments};
    }
    if (find(node->path) != nullptr) {
        return std::unexpected{zk_error::node_exists};
    }
    if (parent->kind() == node_kind::ephemeral) {
        return std::unexpected{zk_error::no_children_for_ephemerals};
    }
    node->data = what.data;
    node->null_data = what.null_data;
    node->access = interned(std::move(*access));
    node->czxid = node->mzxid = node->pzxid = by.zxid;
    node->ctime = node->mtime = by.unix_ms;
    node->owner = owner_of(what, *mode, by.session);
    if (in_group_) {
        undo_step step;
        step.made = node->path;
        step.parent_pzxid = parent->pzxid;
        undo_.push_back(std::move(step));
    }
    const znode* const made = insert(std::move(node));
    parent->creates = next_version(parent->creates);
    parent->pzxid = by.zxid;
    note(event_type::created, *made);
    note(event_type::children_changed, *parent);
    return made;
}

answer<void> tree::remove(std::string_view path, std::int32_t version, const change_context& by) {
    if (!has_parent(path) || is_special(path)) {
        return std::unexpected{zk_error::bad_arguments};
    }
    const znode* const parent = find(parent_of(path));
    if (parent == nullptr) {
        return std::unexpected{zk_error::no_node};
    }
    if (!permits(*parent->access, perm::remove, by.who)) {
        return std::unexpected{zk_error::no_auth};
    }
    const znode* const node = find(path);
    if (node == nullptr) {
        return std::unexpected{zk_error::no_node};
    }
    if (!version_fits(node->version, version)) {
        return std::unexpected{zk_error::bad_version};
    }
    if (!node->children.empty()) {
        return std::unexpected{zk_error::not_empty};
    }
    drop(path, by.zxid);
    return {};
}

/// Deletes what may be deleted.
void tree::drop(std::string_view path, std::int64_t zxid) {
    znode* const parent = find_mutable(parent_of(path));
    std::unique_ptr<znode> node = erase(path);
    note(event_type::deleted, *node);
    note(event_type::children_changed, *parent);
    const std::int64_t before = std::exchange(parent->pzxid, zxid);
    if (in_group_) {
        undo_step step;
        step.removed = std::move(node);
        step.parent_pzxid = before;
        undo_.push_back(std::move(step));
    }
}

answer<stat> tree::set(const protocol::set_data_request& what, const change_context& by) {
    if (!is_valid_path(what.path)) {
        return std::unexpected{zk_error::bad_arguments};
    }
    znode* const node = find_mutable(what.path);
    if (node == nullptr) {
        return std::unexpected{zk_error::no_node};
    }
    if (!permits(*node->access, perm::write, by.who)) {
        return std::unexpected{zk_error::no_auth};
    }
    if (!version_fits(node->version, what.version)) {
        return std::unexpected{zk_error::bad_version};
    }
    data_size_ += what.data.size() - node->data.size();
    if (in_group_) {
        undo_step step;
        step.changed = node;
        step.data = std::move(node->data);
        step.null_data = node->null_data;
        step.mzxid = node->mzxid;
        step.mtime = node->mtime;
        step.version = node->version;
        undo_.push_back(std::move(step));
    }
    node->data = what.data;
    node->null_data = what.null_data;
    node->mzxid = by.zxid;
    node->mtime = by.unix_ms;
    node->version = next_version(node->version);
    note(event_type::data_changed, *node);
    return node->meta();
}

answer<void> tree::check(std::string_view path,
                         std::int32_t version,
                         const change_context& by) const {
    if (!is_valid_path(path)) {
        return std::unexpected{zk_error::bad_arguments};
    }
    const znode* const node = find(path);
    if (node == nullptr) {
        return std::unexpected{zk_error::no_node};
    }
    if (!permits(*node->access, perm::read, by.who)) {
        return std::unexpected{zk_error::no_auth};
    }
    if (!version_fits(node->version, version)) {
        return std::unexpected{zk_error::bad_version};
    }
    return {};
}

answer<stat> tree::set_acl(const protocol::set_acl_request& what, const change_context& by) {
    if (!is_valid_path(what.path)) {
        return std::unexpected{zk_error::bad_arguments};
    }
    auto access = resolve_acl(what.access, by.who);
    if (!access) {
        return std::unexpected{access.error()};
    }
    znode* const node = find_mutable(what.path);
    if (node == nullptr) {
        return std::unexpected{zk_error::no_node};
    }
    if (!permits(*node->access, perm::admin, by.who)) {
        return std::unexpected{zk_error::no_auth};
    }
    if (!version_fits(node->aversion, what.version)) {
        return std::unexpected{zk_error::bad_version};
    }
    node->access = interned(std::move(*access));
    node->aversion = next_version(node->aversion);
    return node->meta();
}

void tree::end_session(std::int64_t session, std::int64_t zxid) {
    const auto at = ephemerals_.find(session);
    if (at == ephemerals_.end()) {
        return;
    }
    const std::vector<std::string> paths{at->second.begin(), at->second.end()};
    for (const std::string& path : paths) {
        drop(path, zxid);
    }
}

std::vector<std::string> tree::reapable(std::int64_t unix_ms) const {
    std::vector<std::string> found;
    for (const std::string_view path : containers_) {
        const znode* const node = find(path);
        if (node->children.empty() && node->creates > 0) {
            found.emplace_back(path);
        }
    }
    for (const std::string_view path : timed_) {
        const znode* const node = find(path);
        const auto ttl = static_cast<std::int64_t>(static_cast<std::uint64_t>(node->owner) &
                                                   static_cast<std::uint64_t>(longest_ttl));
        if (node->children.empty() && unix_ms - node->mtime > ttl) {
            found.emplace_back(path);
        }
    }
    return found;
}

void tree::reap(std::string_view path, std::int64_t zxid) {
    const znode* const node = find(path);
    if (node != nullptr && node->children.empty() && node->kind() != node_kind::ephemeral) {
        drop(path, zxid);
    }
}

std::vector<tree_event> tree::take_events() {
    return std::exchange(events_, {});
}

std::size_t tree::descendants(const znode& of) const {
    std::size_t count = 0;
    std::vector<const znode*> open{&of};
    while (!open.empty()) {
        const znode* const node = open.back();
        open.pop_back();
        count += node->children.size();
        const std::string prefix = node->path == "/" ? "/" : node->path + "/";
        for (const std::string_view name : node->children) {
            if (const znode* const child = find(prefix + std::string{name});
                child != nullptr && !child->children.empty()) {
                open.push_back(child);
            }
        }
    }
    return count;
}

void tree::begin() {
    MUSTER_ASSERT(!in_group_, "one group of changes at a time");
    in_group_ = true;
}

void tree::commit() {
    in_group_ = false;
    undo_.clear();
}

void tree::rollback() {
    while (!undo_.empty()) {
        undo_step step = std::move(undo_.back());
        undo_.pop_back();
        undo(step);
    }
    events_.clear();
    in_group_ = false;
}

void tree::undo(undo_step& step) {
    if (!step.made.empty()) {
        znode* const parent = find_mutable(parent_of(step.made));
        erase(step.made);
        parent->creates =
            static_cast<std::int32_t>(static_cast<std::uint32_t>(parent->creates) - 1U);
        parent->pzxid = step.parent_pzxid;
    } else if (step.removed != nullptr) {
        znode* const parent = find_mutable(parent_of(step.removed->path));
        insert(std::move(step.removed));
        parent->pzxid = step.parent_pzxid;
    } else {
        znode* const node = step.changed;
        data_size_ += step.data.size() - node->data.size();
        node->data = std::move(step.data);
        node->null_data = step.null_data;
        node->mzxid = step.mzxid;
        node->mtime = step.mtime;
        node->version = step.version;
    }
}

}  // namespace muster::zookeeper
