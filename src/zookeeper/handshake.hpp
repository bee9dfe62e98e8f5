#pragma once

/// @file
/// What a client believes of a server's answer to its connect request. Pure.

#include "muster/error.hpp"

#include "zookeeper/client.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace muster::zookeeper {

/// The frames of a connect response have 36 or 37 bytes; anything near that is looked into.
inline constexpr std::size_t longest_handshake = 1024;

struct handshake_answer {
    bool expired = false;  ///< the session that was asked for is over
    bool read_only = false;
    session_ticket session;
};

/// `body` is the frame, `asked` the session that was asked for, 0 for a new one.
/// Errors: incompatible, with what is wrong with it.
[[nodiscard]] result<handshake_answer> judge_handshake(std::string_view body,
                                                       std::int64_t asked,
                                                       bool reject_read_only);

/// Whether an answer begins as a web server's does.
[[nodiscard]] bool is_web_server(std::string_view first_bytes);
/// Says what a server is that did not answer with a frame, from the first bytes of its answer.
[[nodiscard]] std::string describe_stranger(std::string_view first_bytes);

}  // namespace muster::zookeeper
