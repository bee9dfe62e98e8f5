#pragma once

/// @file
/// The right to act on one partition, as its owner holds it.

#include "muster/ids.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace muster {

class node;

/// A piece of a resource.
struct partition_name {
    std::string resource;
    std::string name;        ///< hash: the decimal index; range: its first key; list: its name
    std::uint32_t slot = 0;  ///< 0 is the writer

    friend bool operator==(const partition_name&, const partition_name&) = default;
};

namespace detail {

/// What an `ownership` refers to.
class ownership_core {
public:
    virtual ~ownership_core() = default;
    [[nodiscard]] virtual const partition_name& partition() const noexcept = 0;
    [[nodiscard]] virtual fence_token fence() const noexcept = 0;
    [[nodiscard]] virtual bool valid() const noexcept = 0;
    [[nodiscard]] virtual bool readable() const noexcept = 0;
    [[nodiscard]] virtual bool enter() noexcept = 0;
    virtual void leave() noexcept = 0;
    [[nodiscard]] virtual muster::node& home() const = 0;
};

}  // namespace detail

/// A partition that this member is to get by a planned move, and may prepare for: read ahead what
/// it will need, ask its owner for its state. No right to act comes of it, and the partition may
/// come before the preparation is over, or never.
///
/// Threads:  any; a value.
/// Lifetime: `node()` only while the node lives.
class partition_hint {
public:
    partition_hint(partition_name partition, member_id owner, muster::node& home)
        : partition_{std::move(partition)}, owner_{owner}, home_{&home} {}

    [[nodiscard]] const partition_name& partition() const noexcept { return partition_; }
    /// Who acts on it meanwhile.
    [[nodiscard]] member_id owner() const noexcept { return owner_; }
    /// The node that is to own it.
    [[nodiscard]] muster::node& node() const noexcept { return *home_; }

private:
    partition_name partition_;
    member_id owner_;
    muster::node* home_;
};

/// Lets an effect happen while the right holds, and holds back the release until it is over.
/// Threads: one at a time; moves between threads.
class [[nodiscard]] acting {
public:
    acting() = default;
    explicit acting(std::shared_ptr<detail::ownership_core> core) : core_{std::move(core)} {}
    acting(acting&& other) noexcept : core_{std::move(other.core_)} { other.core_.reset(); }
    acting& operator=(acting&& other) noexcept {
        core_.swap(other.core_);
        return *this;
    }
    ~acting() {
        if (core_) {
            core_->leave();
        }
    }
    /// Whether the right held when it was asked for, and so holds now.
    [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

private:
    std::shared_ptr<detail::ownership_core> core_;
};

/// The right to act on a partition: given with an acquire, ended for good by a release or by the
/// end of the node's lease.
///
/// Threads:  any; a value to copy anywhere, also into threads of your own.
/// Lifetime: may outlive its partition and its node; then it answers `valid() == false`.
class ownership {
public:
    ownership() = default;
    explicit ownership(std::shared_ptr<detail::ownership_core> core) : core_{std::move(core)} {}

    /// Whether the right holds: one read of the clock. Advice, since it may end right after; an
    /// effect that others can see runs inside `enter()` and carries `fence()`.
    [[nodiscard]] bool valid() const noexcept { return core_ && core_->valid(); }

    /// Whether reads are still answered from what is here. The same as `valid()`, but on a resource
    /// that says `serve_stale`: there also once the right has ended with the lease, as ZooKeeper
    /// was lost, until the partition is owned again, by this node or, as a newer plan says, by
    /// another, and for 10 min at most. `call::age` says how old what is read may be. Advice, as
    /// `valid()`: two reads of the clock at most, and never a wait.
    [[nodiscard]] bool readable() const noexcept { return core_ && core_->readable(); }

    /// `if (auto acting = mine.enter()) { … }`: refused once the right has ended, and holds back
    /// the release while it lives, so keep it short. Handlers run inside one by themselves.
    acting enter() const noexcept { return core_ && core_->enter() ? acting{core_} : acting{}; }

    /// Larger than that of every acquire of this partition before.
    [[nodiscard]] fence_token fence() const noexcept {
        return core_ ? core_->fence() : fence_token{};
    }
    [[nodiscard]] const partition_name& partition() const noexcept;

    /// The node that owns it. Only while the node lives.
    [[nodiscard]] muster::node& node() const { return core_->home(); }

private:
    std::shared_ptr<detail::ownership_core> core_;
};

}  // namespace muster
