#include "cluster/paths.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <limits>

namespace muster::cluster {

namespace {

constexpr std::size_t id_length = 32;
constexpr std::size_t sequence_digits = 10;  // DataTree appends "%010d" of a signed 32-bit number

}  // namespace

paths::paths(std::string_view cluster) : root_{"/muster/" + base::percent_encode(cluster)} {}

std::string paths::member(member_id id) const {
    return members() + '/' + id.text();
}

std::string paths::status(member_id id) const {
    return statuses() + '/' + id.text();
}

std::string paths::succession_prefix(member_id id) const {
    return succession() + '/' + id.text() + '-';
}

std::string paths::view_chunk(std::size_t number) const {
    return view() + '/' + std::to_string(number);
}

std::string paths::resource(std::string_view name) const {
    return resources() + '/' + base::percent_encode(name);
}

std::string paths::plan(std::string_view resource_name) const {
    return resource(resource_name) + "/plan";
}

std::string paths::chunk(std::string_view resource_name, std::size_t number) const {
    return plan(resource_name) + '/' + std::to_string(number);
}

std::optional<succession_name> parse_succession(std::string_view child) {
    if (child.size() < id_length + 1 + sequence_digits || child[id_length] != '-') {
        return std::nullopt;
    }
    const auto id = member_id::parse(child.substr(0, id_length));
    const std::string_view digits = child.substr(id_length + 1);
    const auto sequence = base::parse_int64(digits);
    if (!id || id->empty() || !sequence) {
        return std::nullopt;
    }
    // One spelling for each number: ten digits, or a minus sign and what "%010d" makes of the rest.
    const std::size_t expected = *sequence < 0
                                     ? std::max(sequence_digits, std::to_string(*sequence).size())
                                     : sequence_digits;
    if (digits.size() != expected || *sequence < std::numeric_limits<std::int32_t>::min() ||
        *sequence > std::numeric_limits<std::int32_t>::max()) {
        return std::nullopt;
    }
    return succession_name{.id = *id, .sequence = static_cast<std::int32_t>(*sequence)};
}

}  // namespace muster::cluster
