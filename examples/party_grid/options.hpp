#pragma once

/// @file
/// The command line of `party_grid`.

#include "muster/config.hpp"
#include "muster/error.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace party_grid {

/// How a member is to run.
struct member_options {
    muster::config common;
    std::string store = "party_grid.db";
    std::string http_host = "127.0.0.1";
    std::uint16_t http_port = 7450;
    bool http_given = false;  ///< Then a port that is taken is an error.
    std::string journal;
    std::uint32_t partitions = 64;
};

/// How records are brought in.
struct import_options {
    std::vector<std::string> to = {"127.0.0.1:7450"};  ///< `host:port` of members.
    std::string packages;  ///< A file of stanzas; "": the machine's index.
    std::string log = "/var/log/dpkg.log";
    std::size_t limit = 0;  ///< Of packages; 0: all.
    std::size_t connections = 3;
};

/// Errors: invalid_argument, with what was expected.
[[nodiscard]] muster::result<member_options> parse_member(std::vector<std::string> words);
[[nodiscard]] muster::result<import_options> parse_import(const std::vector<std::string>& words);
[[nodiscard]] const char* help_text();

}  // namespace party_grid
