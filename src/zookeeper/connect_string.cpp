#include "base/text.hpp"
#include "zookeeper/client.hpp"

namespace muster::zookeeper {
namespace {

constexpr std::uint16_t usual_port = 2181;

result<std::string> parse_chroot(std::string_view text) {
    if (text.size() == 1) {
        return std::string{};
    }
    for (const std::string_view name : base::split(text.substr(1), '/')) {
        if (name.empty() || name == "." || name == "..") {
            return fail(errc::invalid_argument,
                        "the chroot '" + std::string{text} +
                            "' has to look like /a/b, without empty names, '.' or '..'");
        }
    }
    return std::string{text};
}

}  // namespace

result<connect_string> connect_string::parse(std::string_view text) {
    connect_string made;
    text = base::trimmed(text);
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos) {
        auto chroot = parse_chroot(text.substr(slash));
        if (!chroot) {
            return std::unexpected{chroot.error()};
        }
        made.chroot = std::move(*chroot);
    }
    for (const std::string_view part : base::split(text.substr(0, slash), ',')) {
        auto server = runtime::parse_host_port(base::trimmed(part), usual_port);
        if (!server) {
            return fail(errc::invalid_argument,
                        "in the connect string '" + std::string{text} + "': " +
                            server.error().text);
        }
        made.servers.push_back(std::move(*server));
    }
    if (made.servers.empty()) {
        return fail(errc::invalid_argument,
                    "the connect string '" + std::string{text} +
                        "' names no server; it has to look like host1:2181,host2:2181/chroot");
    }
    return made;
}

}  // namespace muster::zookeeper
