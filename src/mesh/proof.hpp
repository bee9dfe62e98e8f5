#pragma once

/// @file
/// How both ends of a connection show that they know the cluster's key, which is never sent.
///
///     dialler                      the other
///     hello, with a nonce     ->
///                             <-   challenge: its hello, with a nonce, and its proof
///     proof                   ->
///                             <-   hello: connected
///
/// A proof is HMAC-SHA256 (RFC 2104) under the key of who proves it and of both hellos byte by byte
/// as they were sent: versions, cluster, ids, lives, names and nonces, and whatever later versions
/// add. Each side's nonce is new for each connection, so that what was recorded of one proves
/// nothing on another; and the direction is part of it, so that nobody's proof can be sent back to
/// it. The dialler checks first: whoever dials learns no more than a value it cannot use elsewhere.
///
/// This says who is at the other end when a connection begins. It does not encrypt, and whoever
/// can change what travels between the two can still do so: that is TLS's work.

#include "runtime/loop.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster::mesh {

inline constexpr std::size_t nonce_size = 32;
/// What a nonce must have at least to be taken for one.
inline constexpr std::size_t least_nonce = 16;

enum class prover : std::uint8_t { dialler, acceptor };

/// 32 bytes. The hellos are encoded ones, as they were sent.
[[nodiscard]] std::string proof_of(std::string_view key,
                                   prover who,
                                   std::string_view dialler_hello,
                                   std::string_view acceptor_hello);

/// Whether both are the same proof; takes as long wherever they differ.
[[nodiscard]] bool is_same_proof(std::string_view one, std::string_view other) noexcept;

[[nodiscard]] std::string fresh_nonce(runtime::loop& from);

}  // namespace muster::mesh
