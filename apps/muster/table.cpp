#include "table.hpp"

#include <algorithm>

namespace muster::cli {
namespace {

/// How many columns of a terminal `text` takes: UTF-8 continuation bytes take none.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

}  // namespace

void table::print(std::ostream& out, bool colours) const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t most = columns_[i].title.size();
        for (const auto& row : rows_) {
            most = std::max(most, width(row[i]));
        }
        widths.push_back(most);
    }
    const auto line = [&](const auto& cell_of) {
        std::string text;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            std::string cell{cell_of(i)};
            if (cell.empty()) {
                cell = "-";
            }
            const std::string pad(widths[i] - std::min(widths[i], width(cell)), ' ');
            text += (i == 0 ? "" : "  ") + (columns_[i].right ? pad + cell : cell + pad);
        }
        text.erase(text.find_last_not_of(' ') + 1);
        return text;
    };
    out << (colours ? "\033[1m" : "") << line([&](std::size_t i) { return columns_[i].title; })
        << (colours ? "\033[0m" : "") << '\n';
    for (const auto& row : rows_) {
        out << line([&](std::size_t i) { return std::string_view{row[i]}; }) << '\n';
    }
}

boost::json::object document(std::string_view what, const picture& all, boost::json::array items) {
    boost::json::object at;
    at["view"] = std::to_string(all.view ? all.view->number : 0);
    at["unix_ms"] = all.read_unix_ms;
    boost::json::object made;
    made["schema"] = "muster." + std::string{what} + "/1";
    made["cluster"] = all.cluster;
    made["at"] = std::move(at);
    made["items"] = std::move(items);
    return made;
}

std::string grouped(std::uint64_t value) {
    std::string text = std::to_string(value);
    for (std::size_t i = text.size(); i > 3; i -= 3) {
        text.insert(i - 3, 1, ',');
    }
    return text;
}

std::string age(std::int64_t ms) {
    const std::int64_t s = std::max<std::int64_t>(0, ms / 1000);
    const auto two = [](std::int64_t a, const char* x, std::int64_t b, const char* y) {
        return std::to_string(a) + x + (b == 0 ? "" : std::to_string(b) + y);
    };
    if (s < 60) {
        return std::to_string(s) + "s";
    }
    if (s < 3600) {
        return two(s / 60, "m", s % 60, "s");
    }
    if (s < 86'400) {
        return two(s / 3600, "h", s % 3600 / 60, "m");
    }
    return two(s / 86'400, "d", s % 86'400 / 3600, "h");
}

}  // namespace muster::cli
