#include "front_lines.hpp"

#include "json_quoted.hpp"
#include "records.hpp"

#include <boost/json.hpp>

#include <utility>

namespace party_grid {
namespace json = boost::json;
using muster::errc;

muster::result<std::vector<batch_line>> parse_batch(std::string_view body) {
    std::vector<batch_line> lines;
    std::size_t number = 0;
    // One parser for all: it keeps its buffers.
    json::parser parser;
    std::vector<unsigned char> arena(16 * 1024);
    while (!body.empty()) {
        ++number;
        const auto end = body.find('\n');
        const std::string_view text = body.substr(0, end);
        body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
        if (text.empty()) {
            continue;
        }
        const auto refuse = [&](const std::string& why) {
            return muster::fail(errc::invalid_argument,
                                "line " + std::to_string(number) + ": " + why);
        };
        json::monotonic_resource memory{arena.data(), arena.size()};
        parser.reset(&memory);
        boost::system::error_code trouble;
        parser.write(text, trouble);
        if (trouble) {
            return refuse(trouble.message());
        }
        const json::value parsed = parser.release();
        const auto* const object = parsed.if_object();
        const auto* const key = object == nullptr ? nullptr : object->if_contains("key");
        if (key == nullptr || !key->is_string() || !is_key(key->get_string())) {
            return refuse("expected {\"key\":…} with a key of 1 to 1024 bytes");
        }
        batch_line one{.key = std::string{key->get_string()}, .value = {}, .partition = {}};
        if (const auto* const value = object->if_contains("value")) {
            if (value->is_string()) {
                one.value = std::string{value->get_string()};
            } else if (!value->is_null()) {
                return refuse("\"value\" is a string, or null to remove");
            }
        }
        if (const auto* const partition = object->if_contains("partition")) {
            if (!partition->is_string() || !is_date_partition(partition->get_string()) ||
                !one.key.starts_with(std::string_view{partition->get_string()})) {
                return refuse("\"partition\" is a date, and the key begins with it");
            }
            one.partition = std::string{partition->get_string()};
        }
        lines.push_back(std::move(one));
    }
    return lines;
}

void append_batch_line(std::string& body,
                       std::string_view key,
                       const std::optional<std::string>& value,
                       std::string_view partition) {
    body += "{\"key\":" + json_quoted(key) + ",\"value\":";
    body += value ? json_quoted(*value) : "null";
    if (!partition.empty()) {
        body += ",\"partition\":" + json_quoted(partition);
    }
    body += "}\n";
}

}  // namespace party_grid
