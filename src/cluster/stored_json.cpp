#include "cluster/stored_json.hpp"

#include "base/text.hpp"

#include <boost/system/error_code.hpp>

#include <cmath>

namespace muster::cluster::stored {

namespace json = boost::json;

namespace {

constexpr std::size_t most_text = 65'536;

std::string at(std::string_view path, std::string_view what) {
    return std::string{path} + ": " + std::string{what};
}

/// Length of the UTF-8 sequence that `bytes` begins with, 0 if it is none (RFC 3629, section 4).
std::size_t sequence_length(std::string_view bytes) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char first = byte(0);
    const std::size_t length = first < 0x80                     ? 1
                               : first >= 0xc2 && first <= 0xdf ? 2
                               : first >= 0xe0 && first <= 0xef ? 3
                               : first >= 0xf0 && first <= 0xf4 ? 4
                                                                : 0;
    if (length == 0 || length > bytes.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U) {
            return 0;
        }
    }
    // Overlong forms, surrogates, and what lies beyond U+10FFFF.
    if (length > 2 && ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                       (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))) {
        return 0;
    }
    return length;
}

}  // namespace

result<json::object> parse(std::string_view text, std::string_view path) {
    if (text.size() > most_bytes) {
        return fail(errc::invalid_argument, at(path, "longer than 1 MiB"));
    }
    boost::system::error_code trouble;
    json::value parsed = json::parse(text, trouble);
    if (trouble) {
        return fail(errc::invalid_argument, at(path, "not JSON: " + trouble.message()));
    }
    json::object* const object = parsed.if_object();
    if (object == nullptr) {
        return fail(errc::invalid_argument, at(path, "not a JSON object"));
    }
    const json::value* const given = object->if_contains("format");
    const std::int64_t* const version = given == nullptr ? nullptr : given->if_int64();
    if (version == nullptr || *version < 1) {
        return fail(errc::invalid_argument, at(path, "has no \"format\" number"));
    }
    if (*version > format) {
        return fail(errc::incompatible,
                    at(path,
                       "has format " + std::to_string(*version) + ", this program reads up to " +
                           std::to_string(format) + "; update it"));
    }
    return std::move(*object);
}

json::object fresh() {
    json::object object;
    object["format"] = format;
    return object;
}

std::string written(const json::object& what) {
    return json::serialize(what);
}

json::string number(std::int64_t value) {
    return json::string{std::to_string(value)};
}

json::string id(member_id who) {
    return json::string{who.empty() ? std::string{} : who.text()};
}

json::string text(std::string_view bytes) {
    json::string valid;
    while (!bytes.empty()) {
        const std::size_t length = sequence_length(bytes);
        if (length == 0) {
            valid.push_back('?');
            bytes.remove_prefix(1);
        } else {
            valid.append(bytes.substr(0, length));
            bytes.remove_prefix(length);
        }
    }
    return valid;
}

json::string name(std::string_view bytes) {
    return json::string{base::percent_encode(bytes)};
}

void reader::wrong(std::string_view what) {
    if (wrong_.empty()) {
        wrong_ = at(path_, what);
    }
}

result<void> reader::check() const {
    if (is_wrong()) {
        return fail(errc::invalid_argument, wrong_);
    }
    return {};
}

std::int64_t reader::to_number(const json::value& from,
                               std::string_view what,
                               std::int64_t least,
                               std::int64_t most) {
    const json::string* const digits = from.if_string();
    const auto value = digits == nullptr
                           ? std::nullopt
                           : base::parse_int64(std::string_view{digits->data(), digits->size()});
    if (!value || *value < least || *value > most) {
        wrong(std::string{what} + " is not a decimal string from " + std::to_string(least) +
              " to " + std::to_string(most));
        return least;
    }
    return *value;
}

std::int64_t reader::to_small(const json::value& from,
                              std::string_view what,
                              std::int64_t least,
                              std::int64_t most) {
    const std::int64_t* const value = from.if_int64();
    if (value == nullptr || *value < least || *value > most) {
        wrong(std::string{what} + " is not a whole number from " + std::to_string(least) + " to " +
              std::to_string(most));
        return least;
    }
    return *value;
}

double reader::to_real(const json::value& from, std::string_view what) {
    double value = -1;
    if (const double* const real = from.if_double()) {
        value = *real;
    } else if (const std::int64_t* const whole = from.if_int64()) {
        value = static_cast<double>(*whole);
    }
    if (!std::isfinite(value) || value < 0 || value > 1e9) {
        wrong(std::string{what} + " is not a number from 0 to 1e9");
        return 1.0;
    }
    return value;
}

std::string reader::to_text(const json::value& from, std::string_view what) {
    const json::string* const value = from.if_string();
    if (value == nullptr || value->size() > most_text) {
        wrong(std::string{what} + " is not a text of at most 64 KiB");
        return {};
    }
    return {value->data(), value->size()};
}

std::string reader::decoded(std::string_view encoded, std::string_view what) {
    const auto value = base::percent_decode(encoded);
    // One spelling for each name, or two entries could mean the same.
    if (!value || base::percent_encode(*value) != encoded) {
        wrong(std::string{what} + " is not a percent-encoded name");
        return {};
    }
    return *value;
}

std::string reader::to_name(const json::value& from, std::string_view what) {
    const std::string encoded = to_text(from, what);
    return is_wrong() ? std::string{} : decoded(encoded, what);
}

bool reader::to_bool(const json::value& from, std::string_view what) {
    const bool* const value = from.if_bool();
    if (value == nullptr) {
        wrong(std::string{what} + " is neither true nor false");
    }
    return value != nullptr && *value;
}

member_id reader::to_id(const json::value& from, std::string_view what, bool or_nobody) {
    const json::string* const value = from.if_string();
    if (value != nullptr && value->empty() && or_nobody) {
        return {};
    }
    const auto who = value == nullptr
                         ? std::nullopt
                         : member_id::parse(std::string_view{value->data(), value->size()});
    if (!who || who->empty()) {
        wrong(std::string{what} + " is not a member id");
        return {};
    }
    return *who;
}

const json::array& reader::to_array(const json::value& from,
                                    std::string_view what,
                                    std::size_t most) {
    static const json::array none;
    const json::array* const array = from.if_array();
    if (array == nullptr || array->size() > most) {
        wrong(std::string{what} + " is not an array of at most " + std::to_string(most));
        return none;
    }
    return *array;
}

const json::object& reader::to_object(const json::value& from,
                                      std::string_view what,
                                      std::size_t most) {
    static const json::object none;
    const json::object* const object = from.if_object();
    if (object == nullptr || object->size() > most) {
        wrong(std::string{what} + " is not an object of at most " + std::to_string(most));
        return none;
    }
    return *object;
}

void reader::read(const json::object& from, std::string_view key, bool& into) {
    if (const json::value* const value = from.if_contains(key)) {
        into = to_bool(*value, key);
    }
}

void reader::read(const json::object& from, std::string_view key, std::string& into) {
    if (const json::value* const value = from.if_contains(key)) {
        into = to_text(*value, key);
    }
}

void reader::read(const json::object& from,
                  std::string_view key,
                  std::int64_t& into,
                  std::int64_t least,
                  std::int64_t most) {
    if (const json::value* const value = from.if_contains(key)) {
        into = to_number(*value, key, least, most);
    }
}

void reader::read_names(const json::object& from,
                        std::string_view key,
                        std::set<std::string>& into,
                        bool decode) {
    const json::value* const value = from.if_contains(key);
    if (value == nullptr) {
        return;
    }
    for (const json::value& one : to_array(*value, key, most_names)) {
        if (!into.insert(decode ? to_name(one, key) : to_text(one, key)).second) {
            wrong(std::string{key} + " names one twice");
            return;
        }
    }
}

const json::value& reader::needed(const json::object& from, std::string_view key) {
    static const json::value null;
    const json::value* const value = from.if_contains(key);
    if (value == nullptr) {
        wrong("\"" + std::string{key} + "\" is missing");
        return null;
    }
    return *value;
}

}  // namespace muster::cluster::stored
