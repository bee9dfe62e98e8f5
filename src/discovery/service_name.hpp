#pragma once

/// @file
/// Where services are stored, and the names that say all of an instance (docs/format/layout.md).

#include "muster/instances.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace muster::discovery {

/// The znode of a service, whose children are its instances. `services` is that of all.
[[nodiscard]] std::string service_path(std::string_view services, std::string_view name);

/// `<pid as text>;<life>;<address>;<zone>`, each part percent-encoded.
[[nodiscard]] std::string encode_instance(const instance& one);
/// Nothing for a foreign child, and for another spelling.
[[nodiscard]] std::optional<instance> parse_instance(std::string_view child);

}  // namespace muster::discovery
