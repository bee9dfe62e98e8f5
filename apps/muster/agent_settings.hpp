#pragma once

/// @file
/// What `muster agent` was told, checked.

#include "cluster/settings.hpp"
#include "command.hpp"

#include <string>

namespace muster::cli {

struct agent_settings {
    cluster::member_settings member;
    std::string resource;
    cluster::specification spec;
    std::string journal;  ///< "" for none
    std::string exec;     ///< "" for none
};

/// Errors: MUS0605 with the flag at fault.
[[nodiscard]] outcome<agent_settings> agent_settings_of(const given& words, const settings& common);

/// The part that `elect` has too: servers, cluster, name, session timeout.
[[nodiscard]] outcome<cluster::member_settings> member_settings_of(const given& words,
                                                                   const settings& common,
                                                                   const std::string& name);

}  // namespace muster::cli
