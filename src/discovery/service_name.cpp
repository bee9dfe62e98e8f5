#include "discovery/service_name.hpp"

#include "base/text.hpp"

#include <cstdint>
#include <limits>
#include <utility>

namespace muster::discovery {
namespace {

constexpr char between = ';';
constexpr std::size_t parts = 4;

std::optional<std::uint32_t> parse_place(std::string_view text) {
    const auto number = base::parse_uint64(text);
    return number && *number <= std::numeric_limits<std::uint32_t>::max()
               ? std::optional{static_cast<std::uint32_t>(*number)}
               : std::nullopt;
}

/// `<member name>/<index>.<generation>@…`, from its end, for a name may hold anything.
std::optional<pid> parse_pid(std::string_view text, const member_id& life) {
    const auto at = text.rfind('@');
    const auto slash = text.rfind('/', at);
    if (at == std::string_view::npos || slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto place = text.substr(slash + 1, at - slash - 1);
    const auto dot = place.find('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    const auto index = parse_place(place.substr(0, dot));
    const auto generation = parse_place(place.substr(dot + 1));
    if (!index || !generation) {
        return std::nullopt;
    }
    pid read{life, std::string{text.substr(0, slash)}, *index, *generation};
    return read.empty() || read.text() != text ? std::nullopt : std::optional{std::move(read)};
}

}  // namespace

std::string service_path(std::string_view services, std::string_view name) {
    return std::string{services} + '/' + base::percent_encode(name);
}

std::string encode_instance(const instance& one) {
    return base::percent_encode(one.who.text()) + between + one.who.life().text() + between +
           base::percent_encode(one.address) + between + base::percent_encode(one.zone);
}

std::optional<instance> parse_instance(std::string_view child) {
    const auto pieces = base::split(child, between);
    if (pieces.size() != parts) {
        return std::nullopt;
    }
    const auto text = base::percent_decode(pieces[0]);
    const auto life = member_id::parse(pieces[1]);
    auto address = base::percent_decode(pieces[2]);
    auto zone = base::percent_decode(pieces[3]);
    if (!text || !life || !address || !zone) {
        return std::nullopt;
    }
    auto who = parse_pid(*text, *life);
    if (!who) {
        return std::nullopt;
    }
    std::string member = who->member();
    instance read{std::move(*who), std::move(member), std::move(*address), std::move(*zone)};
    return encode_instance(read) == child ? std::optional{std::move(read)} : std::nullopt;
}

}  // namespace muster::discovery
