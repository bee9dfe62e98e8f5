#pragma once

/// @file
/// Tables of text for people, and the frame of JSON documents.

#include "picture.hpp"

#include <boost/json.hpp>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

/// Columns padded to their widest cell; numbers to the right.
class table {
public:
    struct column {
        std::string_view title;
        bool right = false;
    };
    explicit table(std::vector<column> columns) : columns_{std::move(columns)} {}

    /// As many cells as columns; an empty one is shown as '-'.
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    void print(std::ostream& out, bool colours) const;

private:
    std::vector<column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// {"schema":"muster.<what>/1","cluster":…,"at":{"view":…,"unix_ms":…},"items":[…]}
[[nodiscard]] boost::json::object document(std::string_view what,
                                           const picture& all,
                                           boost::json::array items);

/// 1234567 -> "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t value);
/// "41s", "3h12m", "12d4h".
[[nodiscard]] std::string age(std::int64_t ms);

}  // namespace muster::cli
