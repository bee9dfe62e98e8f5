#pragma once

/// @file
/// How a partition and its holder look in JSON, in every document that names one.

#include "picture.hpp"

#include <boost/json.hpp>

#include <string>

namespace muster::cli {

/// A number for hash resources, a string for range and list.
[[nodiscard]] boost::json::value partition_json(const resource_facts& of,
                                                const std::string& partition);
/// owner, owner_id, fence, phase, successor.
[[nodiscard]] boost::json::object holder_json(const holder_row& one);

}  // namespace muster::cli
