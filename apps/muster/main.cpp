#include "run.hpp"
#include "runtime/real.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) {
    // A reader that has gone away is an error of the write, not a death.
    std::signal(SIGPIPE, SIG_IGN);
    const std::vector<std::string> words(argv + 1, argv + argc);
    const muster::cli::surroundings around{
        .variables = [](std::string_view name) -> std::optional<std::string> {
            const char* const value = std::getenv(std::string{name}.c_str());
            return value == nullptr ? std::nullopt : std::optional<std::string>{value};
        },
        .out_is_terminal = ::isatty(STDOUT_FILENO) != 0,
        .err_is_terminal = ::isatty(STDERR_FILENO) != 0,
        .ground = muster::runtime::make_real_platform(),
    };
    const auto code = muster::cli::run(words, std::cout, std::cerr, around);
    std::cout.flush();
    return static_cast<int>(code);
}
