#include "cluster/leader/commands.hpp"

#include "base/text.hpp"

#include <boost/json.hpp>

#include <array>
#include <utility>

namespace muster::cluster {
namespace json = boost::json;
namespace {

constexpr std::array<std::pair<command_kind, std::string_view>, 4> kinds{{
    {command_kind::add_partition, "add_partition"},
    {command_kind::remove_partition, "remove_partition"},
    {command_kind::drain, "drain"},
    {command_kind::resume, "resume"},
}};

std::string text_of(const json::object& from, std::string_view field) {
    const json::value* const found = from.if_contains(field);
    return found != nullptr && found->is_string() ? std::string{found->get_string()} : "";
}

std::optional<result<void>> outcome_of(const json::object& from) {
    const json::value* const found = from.if_contains("result");
    if (found == nullptr || !found->is_object()) {
        return std::nullopt;
    }
    const std::string code = text_of(found->get_object(), "code");
    if (code == "done") {
        return result<void>{};
    }
    for (int i = 0; i <= static_cast<int>(errc::closed); ++i) {
        if (name_of(static_cast<errc>(i)) == code) {
            return fail(static_cast<errc>(i), text_of(found->get_object(), "text"));
        }
    }
    return fail(errc::incompatible, "the leader answered with '" + code + "'");
}

}  // namespace

std::string_view name_of(command_kind kind) noexcept {
    for (const auto& [one, name] : kinds) {
        if (one == kind) {
            return name;
        }
    }
    return "";
}

std::string encode_command(const command_record& what) {
    json::object out{{"format", 1}};
    out["op"] = name_of(what.kind);
    for (const auto& [field, value] : {std::pair{"resource", &what.resource},
                                       std::pair{"partition", &what.partition},
                                       std::pair{"member", &what.member}}) {
        if (!value->empty()) {
            out[field] = *value;
        }
    }
    if (what.outcome) {
        json::object ended;
        ended["code"] = *what.outcome ? "done" : name_of(what.outcome->error().code);
        if (!*what.outcome) {
            ended["text"] = what.outcome->error().text;
        }
        ended["unix_ms"] = std::to_string(what.done_unix_ms);
        out["result"] = std::move(ended);
    }
    return json::serialize(out);
}

result<command_record> decode_command(std::string_view text, std::string_view path) {
    boost::system::error_code trouble;
    const json::value parsed = json::parse(json::string_view{text.data(), text.size()}, trouble);
    if (trouble || !parsed.is_object()) {
        return fail(errc::invalid_argument, std::string{path} + " holds no JSON object");
    }
    const json::object& from = parsed.get_object();
    const json::value* const format = from.if_contains("format");
    if (format == nullptr || !format->is_int64() || format->get_int64() != 1) {
        return fail(errc::incompatible,
                    std::string{path} + " has a format this version cannot read");
    }
    command_record what;
    const std::string op = text_of(from, "op");
    bool known = false;
    for (const auto& [kind, name] : kinds) {
        if (name == op) {
            what.kind = kind;
            known = true;
        }
    }
    if (!known) {
        return fail(errc::invalid_argument,
                    std::string{path} + " asks for an unknown '" + op + "'");
    }
    what.resource = text_of(from, "resource");
    what.partition = text_of(from, "partition");
    what.member = text_of(from, "member");
    what.outcome = outcome_of(from);
    if (const json::value* const ended = from.if_contains("result"); what.outcome && ended) {
        what.done_unix_ms = base::parse_int64(text_of(ended->get_object(), "unix_ms")).value_or(0);
    }
    return what;
}

}  // namespace muster::cluster
