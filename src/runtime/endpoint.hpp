#pragma once

/// @file
/// Numeric network addresses.

#include "muster/error.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster::runtime {

/// A numeric IP address and a TCP port; host names are resolved before one exists.
/// Threads: a plain value.
struct endpoint {
    std::string address;  ///< "127.0.0.1", "::1", "fe80::1%eth0"; never in brackets
    std::uint16_t port = 0;

    /// "127.0.0.1:2181", "[::1]:2181".
    [[nodiscard]] std::string text() const;

    friend auto operator<=>(const endpoint&, const endpoint&) = default;
};

/// A host name or numeric address, and a port, not yet resolved.
struct host_port {
    std::string host;
    std::uint16_t port = 0;

    friend auto operator<=>(const host_port&, const host_port&) = default;
};

/// Reads "host:port", "1.2.3.4:port", "[v6]:port", and without a port where `default_port` is
/// given (not 0); a bare IPv6 address needs brackets to carry a port.
/// Errors: invalid_argument, with what is wrong.
[[nodiscard]] result<host_port> parse_host_port(std::string_view text,
                                                std::uint16_t default_port = 0);

}  // namespace muster::runtime
