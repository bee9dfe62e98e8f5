#pragma once

/// @file
/// The machine's Debian package index as records: one for each package, in JSON.
///
/// Stanzas as in Debian policy 5.1: `Field: value` lines, continued by lines that begin with a
/// blank, ended by an empty line. A package may be there several times, in several versions and
/// for several architectures, in an order that nobody promises; the record is the one with the
/// greatest version (policy 5.6.12), then the greatest architecture by name, so that every import
/// of one index gives the same records.

#include "muster/error.hpp"

#include "import_pipe.hpp"
#include "records.hpp"

#include <compare>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace party_grid {

/// The fields of one stanza, in their order; continuation lines are joined by '\n'.
class stanza {
public:
    void add(std::string_view name, std::string_view value);
    void extend(std::string_view line);

    /// The first field of that name, whatever its case; empty where there is none.
    [[nodiscard]] std::string_view operator[](std::string_view name) const;

    [[nodiscard]] bool empty() const { return fields_.empty(); }

private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

/// Gathers lines into stanzas.
/// Threads: one thread at a time.
class stanza_reader {
public:
    /// Takes the next line; gives the stanza that it ends, if it ends one.
    [[nodiscard]] std::optional<stanza> take(std::string_view line);

    /// The input has ended; gives the last stanza, which needs no empty line.
    [[nodiscard]] std::optional<stanza> finish();

    /// Lines that were neither a field nor its continuation. They are left out.
    [[nodiscard]] std::size_t malformed() const { return malformed_; }

private:
    stanza begun_;
    bool skipping_ = false;  ///< Whether the last line was malformed, and so its continuation.
    std::size_t malformed_ = 0;
};

/// Compares two versions as dpkg does: epoch, upstream version, revision; digits as numbers, `~`
/// before everything and the end, letters before other characters.
[[nodiscard]] std::strong_ordering compare_versions(std::string_view left, std::string_view right);

/// The value of a package's record, for example
/// `{"package":"bash","version":"5.2.15-2+b7","architecture":"amd64","section":"shells",…}`.
[[nodiscard]] std::string package_json(const stanza& one);

/// Chooses one record for each package.
/// Threads: one thread at a time.
class package_collector {
public:
    void add(const stanza& one);

    [[nodiscard]] std::size_t size() const { return chosen_.size(); }
    /// Stanzas that lost against another version or architecture of their package.
    [[nodiscard]] std::size_t superseded() const { return superseded_; }
    /// Stanzas without a package name or version, or of packages that are not installed.
    [[nodiscard]] std::size_t ignored() const { return ignored_; }

    /// The records, in the order of their keys.
    [[nodiscard]] std::vector<record> take();

private:
    struct choice {
        std::string version;
        std::string architecture;
        std::string value;
    };
    std::map<std::string, choice, std::less<>> chosen_;
    std::size_t superseded_ = 0;
    std::size_t ignored_ = 0;
};

/// Where the packages are read from.
struct package_sources {
    std::vector<std::string> index = {"apt-cache", "dumpavail"};
    std::string status_file = "/var/lib/dpkg/status";
};

/// The packages, and where they really came from.
struct package_import {
    std::vector<record> records;  ///< In the order of their keys, each key once.
    std::string source;           ///< For example `apt-cache dumpavail`.
    std::string note;             ///< Why it is not the first source, if it is not; else empty.
    std::size_t superseded = 0;   ///< Other versions and architectures of the same packages.
};

/// Reads the package index; where there is none, or an empty one, the installed packages.
/// Blocks: for some seconds. Errors: not_found (neither is there; the text says what to install).
[[nodiscard]] muster::result<package_import> read_packages(const package_sources& from = {});

}  // namespace party_grid
