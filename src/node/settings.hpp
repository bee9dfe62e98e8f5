#pragma once

/// @file
/// From what an operator and a program say to what the rooms below want to know. Pure.

#include "muster/application.hpp"
#include "muster/config.hpp"
#include "muster/node.hpp"

#include "cluster/settings.hpp"
#include "runtime/endpoint.hpp"

#include <optional>
#include <string>

namespace muster::detail {

/// Errors: invalid_argument, naming the setting and what is expected.
[[nodiscard]] result<cluster::member_settings> settings_for_member(const config& from,
                                                                   const application& program);

/// Where the mesh listens: as configured; else on the loopback address where ZooKeeper is asked on
/// it, else on all addresses of the host.
[[nodiscard]] result<runtime::endpoint> listen_address(const config& from,
                                                       const zookeeper::connect_string& servers);

[[nodiscard]] cluster::specification specification_of(const served& how);

/// What is wrong with a resource as `serve` was told it, if anything.
[[nodiscard]] std::optional<error> check_resource(const std::string& name, const served& how);

}  // namespace muster::detail
