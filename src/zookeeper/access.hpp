#pragma once

/// @file
/// Who may do what: the keeper's side of ACLs, with the schemes world, auth, digest and ip.
///
/// Facts: PrepRequestProcessor.fixupACL, ZooKeeperServer.checkACL, DigestAuthenticationProvider and
/// IPAuthenticationProvider of Apache ZooKeeper 3.8. There is no super user.

#include "zookeeper/types.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace muster::zookeeper {

/// What a connection has shown itself to be: its address, and each credential it sent.
struct identity {
    std::string scheme;
    std::string id;
    friend bool operator==(const identity&, const identity&) = default;
};

/// "user:password" as the id that ACLs hold: user:base64(sha1(user:password)).
[[nodiscard]] std::string digest_id(std::string_view credentials);

/// An ACL that would be stored with more entries than this, or more bytes, is refused. The original
/// has no such bounds: there one request of a megabyte becomes gigabytes through "auth", and slows
/// down whoever asks for the znode afterwards.
inline constexpr std::size_t most_acl_entries = 256;
inline constexpr std::size_t most_acl_bytes = std::size_t{16} << 10U;

/// `wanted` as it is stored: without repetitions, and with "auth" replaced by the identities of
/// the requester that were proven.
/// Errors: invalid_acl (empty, an unknown scheme, a malformed id, "auth" without a credential, too
/// long).
[[nodiscard]] std::expected<acl, zk_error> resolve_acl(const acl& wanted,
                                                       std::span<const identity> who);

/// Whether `who` has one of the permissions `wanted` under `access`; an empty ACL permits all.
[[nodiscard]] bool permits(const acl& access, std::int32_t wanted, std::span<const identity> who);

}  // namespace muster::zookeeper
