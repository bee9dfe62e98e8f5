#include "runtime/endpoint.hpp"

#include "base/text.hpp"

#include <limits>
#include <optional>

namespace muster::runtime {
namespace {

std::unexpected<error> bad(std::string_view text, std::string_view why) {
    return fail(errc::invalid_argument,
                "'" + std::string{text} + "' is not an address: " + std::string{why});
}

std::optional<std::uint16_t> parse_port(std::string_view digits) {
    const auto number = base::parse_uint64(digits);
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint16_t>::max()) {
        return std::nullopt;
    }
    return static_cast<std::uint16_t>(*number);
}

bool is_host_byte(char byte) {
    const auto value = static_cast<unsigned char>(byte);
    return value > 0x20 && value < 0x7f && byte != '/' && byte != '[' && byte != ']' &&
           byte != ',' && byte != '@';
}

/// What stands before the port, and the port's digits if any were written.
struct pieces {
    std::string_view host;
    std::optional<std::string_view> port;
};

result<pieces> cut(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) {
            return bad(text, "the bracket is not closed");
        }
        const std::string_view host = text.substr(1, close - 1);
        if (host.find(':') == std::string_view::npos) {
            return bad(text, "brackets are for IPv6 addresses");
        }
        const std::string_view rest = text.substr(close + 1);
        if (rest.empty()) {
            return pieces{host, std::nullopt};
        }
        if (!rest.starts_with(':')) {
            return bad(text, "after the bracket comes ':' and a port");
        }
        return pieces{host, rest.substr(1)};
    }
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
        return pieces{text, std::nullopt};
    }
    if (text.find(':', colon + 1) != std::string_view::npos) {
        return pieces{text, std::nullopt};  // A bare IPv6 address.
    }
    return pieces{text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

std::string endpoint::text() const {
    const std::string digits = std::to_string(port);
    return address.find(':') == std::string::npos ? address + ":" + digits
                                                  : "[" + address + "]:" + digits;
}

result<host_port> parse_host_port(std::string_view text, std::uint16_t default_port) {
    const auto parts = cut(text);
    if (!parts) {
        return std::unexpected{parts.error()};
    }
    if (parts->host.empty()) {
        return bad(text, "the host is missing");
    }
    for (const char byte : parts->host) {
        if (!is_host_byte(byte)) {
            return bad(text, "a host is a name, an IPv4 address or an IPv6 address");
        }
    }
    if (!parts->port) {
        if (default_port == 0) {
            return bad(text, "the port is missing (an IPv6 address with a port needs brackets)");
        }
        return host_port{std::string{parts->host}, default_port};
    }
    const auto port = parse_port(*parts->port);
    if (!port) {
        return bad(text, "a port is a number from 1 to 65535");
    }
    return host_port{std::string{parts->host}, *port};
}

}  // namespace muster::runtime
