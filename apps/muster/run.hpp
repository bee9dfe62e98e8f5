#pragma once

/// @file
/// The whole of `muster` as a function.

#include "command.hpp"

#include <ostream>
#include <string>
#include <vector>

namespace muster::cli {

/// What of the process `run` looks at, besides its words.
struct surroundings {
    environment variables;
    bool out_is_terminal = false;
    bool err_is_terminal = false;
    std::shared_ptr<runtime::platform> ground;
};

/// Data goes to `out`, everything else to `err`.
exit_code run(const std::vector<std::string>& words,
              std::ostream& out,
              std::ostream& err,
              const surroundings& around);

}  // namespace muster::cli
