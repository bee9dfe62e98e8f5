#pragma once

/// @file
/// The help texts, made from the table of verbs.

#include "command.hpp"

#include <ostream>

namespace muster::cli {

void print_help(std::ostream& out);
void print_help(std::ostream& out, const command& verb);

}  // namespace muster::cli
