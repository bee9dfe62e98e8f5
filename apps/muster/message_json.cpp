#include "message_json.hpp"

#include "muster/message.hpp"
#include "muster/pid.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace muster::cli {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

/// Every program that reads JSON keeps whole numbers up to here.
constexpr std::uint64_t exact_in_json = std::uint64_t{1} << 53U;

std::string hex_of(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        out += digits[static_cast<unsigned char>(c) >> 4U];
        out += digits[static_cast<unsigned char>(c) & 15U];
    }
    return out;
}

std::optional<std::string> bytes_of_hex(std::string_view text) {
    const auto digit = [](char c) -> int {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    std::string out;
    if (text.size() % 2 != 0) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]);
        const int low = digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        out += static_cast<char>(high * 16 + low);
    }
    return out;
}

/// What both directions do: they walk down a shape, know the structs around them, and keep the
/// first thing that is wrong.
class walk {
protected:
    struct inside {
        inside(walk& of, const value& fields) : of_{of} { of_.open_.push_back(&fields); }
        inside(const inside&) = delete;
        inside& operator=(const inside&) = delete;
        ~inside() { of_.open_.pop_back(); }

    private:
        walk& of_;
    };

    bool wrong(const std::string& what) {
        if (why_.empty()) {
            why_ = (place_.empty() ? std::string{"the message"} : "'" + place_ + "'") + ": " + what;
        }
        return false;
    }
    bool strange(const value& shape) {
        return wrong("this version does not know the kind of value " +
                     boost::json::serialize(shape));
    }
    /// The struct that {"outer":n} refers to.
    const value* outer(const value& number) const {
        const auto far = number.is_int64() ? static_cast<std::size_t>(number.get_int64())
                                           : std::numeric_limits<std::size_t>::max();
        return far < open_.size() ? open_[open_.size() - 1 - far] : nullptr;
    }
    /// Goes on below `name`.
    template <class Next>
    bool below(std::string_view name, Next next) {
        if (depth_ == deepest_shape) {
            return wrong("it is nested too deeply");
        }
        const std::size_t before = place_.size();
        place_ += place_.empty() || name.empty() ? "" : ".";
        place_ += name;
        ++depth_;
        const bool good = next();
        --depth_;
        place_.resize(before);
        return good;
    }

    std::string why_;

private:
    std::string place_;
    std::vector<const value*> open_;
    int depth_ = 0;
};

// --- From JSON -----------------------------------------------------------------------------------

class writing : walk {
public:
    result<std::string> run(const value& shape, const value& given) {
        std::string out;
        {
            cbor_writer to{out};
            out_ = &to;
            static_cast<void>(write(shape, given));
        }
        if (!why_.empty()) {
            return fail(errc::invalid_argument, why_);
        }
        return out;
    }

private:
    bool expected(std::string_view what, const value& given) {
        std::string seen = boost::json::serialize(given);
        if (seen.size() > 60) {
            seen.resize(57);
            seen += "...";
        }
        return wrong("expected " + std::string{what} + ", not " + seen);
    }

    bool write(const value& shape, const value& given) {
        const auto [kind, inner] = kind_of(shape);
        if (inner == nullptr) {
            return write_plain(shape, kind, given);
        }
        if (kind == "fields" && inner->is_array()) {
            return write_struct(shape, inner->get_array(), given);
        }
        if (kind == "outer") {
            const value* const whole = outer(*inner);
            return whole == nullptr ? strange(shape)
                                    : below("", [&] { return write(*whole, given); });
        }
        if (kind == "optional" || kind == "boxed") {
            if (given.is_null()) {
                out_->write_null();
                return true;
            }
            if (kind == "boxed") {
                out_->begin_array(1);
            }
            return write(*inner, given);
        }
        if (kind == "list") {
            return write_list(*inner, given);
        }
        if (!inner->is_array()) {
            return strange(shape);
        }
        const array& parts = inner->get_array();
        return kind == "tuple"                       ? write_tuple(parts, given)
               : kind == "variant"                   ? write_variant(parts, given)
               : kind == "map" && parts.size() == 2U ? write_map(parts, given)
                                                     : strange(shape);
    }

    bool write_plain(const value& shape, std::string_view kind, const value& given) {
        if (kind == "bool") {
            return given.is_bool() ? (out_->write_bool(given.get_bool()), true)
                                   : expected("true or false", given);
        }
        if (kind == "int" || kind == "uint") {
            return write_number(kind == "int", given);
        }
        if (kind == "real") {
            if (!given.is_number()) {
                return expected("a number", given);
            }
            out_->write_double(given.to_number<double>());
            return true;
        }
        if (kind == "null") {
            return given.is_null() ? (out_->write_null(), true) : expected("null", given);
        }
        if (!given.is_string()) {
            return kind == "cbor" || kind == "text" || kind == "bytes" || kind == "pid" ||
                           kind == "id"
                       ? expected("a text", given)
                       : strange(shape);
        }
        const std::string_view text = given.get_string();
        if (kind == "text") {
            out_->write_string(text);
            return true;
        }
        if (kind != "bytes" && kind != "id") {
            return wrong("a value of this type cannot be given as JSON");
        }
        const auto bytes = bytes_of_hex(text);
        if (!bytes || (kind == "id" && bytes->size() != 16)) {
            return expected(
                kind == "id" ? "the 32 hexadecimal digits of an id" : "bytes in hexadecimal digits",
                given);
        }
        out_->write_bytes(*bytes);
        return true;
    }

    bool write_number(bool is_signed, const value& given) {
        std::optional<std::int64_t> negative;
        std::optional<std::uint64_t> natural;
        if (given.is_int64()) {
            given.get_int64() < 0 ? void(negative = given.get_int64())
                                  : void(natural = static_cast<std::uint64_t>(given.get_int64()));
        } else if (given.is_uint64()) {
            natural = given.get_uint64();
        } else if (given.is_string()) {
            const std::string_view text = given.get_string();
            natural = base::parse_uint64(text);
            if (!natural) {
                negative = base::parse_int64(text);
            }
        }
        if (natural) {
            out_->write_uint(*natural);
        } else if (negative && is_signed) {
            out_->write_int(*negative);
        } else {
            return expected(is_signed ? "a whole number" : "a whole number that is not negative",
                            given);
        }
        return true;
    }

    bool write_struct(const value& shape, const array& fields, const value& given) {
        const inside here{*this, shape};
        if (given.is_array()) {
            return write_tuple_of_fields(fields, given.get_array());
        }
        if (!given.is_object()) {
            return expected("an object with the fields " + names_of(fields), given);
        }
        const object& named = given.get_object();
        for (const auto& one : named) {
            if (std::ranges::none_of(fields, [&](const value& field) {
                    return name_of(field) == std::string_view{one.key()};
                })) {
                return wrong("there is no field '" + std::string{one.key()} + "', but " +
                             names_of(fields));
            }
        }
        std::size_t last = fields.size();
        while (last > 0 && !named.contains(name_of(fields[last - 1]))) {
            --last;
        }
        out_->begin_array(last);
        for (std::size_t i = 0; i < last; ++i) {
            const std::string_view name = name_of(fields[i]);
            const value* const field = named.if_contains(name);
            if (field == nullptr) {
                return wrong("the field '" + std::string{name} +
                             "' is missing: only fields at the end may be left out");
            }
            if (!below(name, [&] { return write(fields[i].at(1), *field); })) {
                return false;
            }
        }
        return true;
    }

    bool write_tuple_of_fields(const array& fields, const array& given) {
        if (given.size() > fields.size()) {
            return wrong("it has " + std::to_string(fields.size()) + " fields, not " +
                         std::to_string(given.size()));
        }
        out_->begin_array(given.size());
        for (std::size_t i = 0; i < given.size(); ++i) {
            if (!below(name_of(fields[i]), [&] { return write(fields[i].at(1), given[i]); })) {
                return false;
            }
        }
        return true;
    }

    static std::string_view name_of(const value& field) { return field.at(0).as_string(); }
    static std::string names_of(const array& fields) {
        std::string all;
        for (const value& field : fields) {
            all += (all.empty() ? "'" : ", '") + std::string{name_of(field)} + "'";
        }
        return fields.empty() ? "none" : all;
    }

    bool write_list(const value& element, const value& given) {
        if (!given.is_array()) {
            return expected("a list", given);
        }
        out_->begin_array(given.get_array().size());
        std::size_t number = 0;
        for (const value& one : given.get_array()) {
            if (!below(std::to_string(number++), [&] { return write(element, one); })) {
                return false;
            }
        }
        return true;
    }

    bool write_tuple(const array& parts, const value& given) {
        if (!given.is_array() || given.get_array().size() != parts.size()) {
            return expected("a list of " + std::to_string(parts.size()), given);
        }
        out_->begin_array(parts.size());
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (!below(std::to_string(i), [&] { return write(parts[i], given.get_array()[i]); })) {
                return false;
            }
        }
        return true;
    }

    /// As in the bytes: which alternative, and its value.
    bool write_variant(const array& parts, const value& given) {
        if (!given.is_array() || given.get_array().size() != 2 ||
            !given.get_array()[0].is_int64()) {
            return expected("[number of the alternative, its value]", given);
        }
        const auto which = static_cast<std::uint64_t>(given.get_array()[0].get_int64());
        if (which >= parts.size()) {
            return wrong("there are " + std::to_string(parts.size()) + " alternatives, from 0 on");
        }
        out_->begin_array(2);
        out_->write_uint(which);
        return write(parts[which], given.get_array()[1]);
    }

    bool write_map(const array& parts, const value& given) {
        if (!given.is_object()) {
            return expected("an object", given);
        }
        out_->begin_map(given.get_object().size());
        for (const auto& one : given.get_object()) {
            const bool good = below(one.key(), [&] {
                return write(parts[0], value(one.key())) && write(parts[1], one.value());
            });
            if (!good) {
                return false;
            }
        }
        return true;
    }

    cbor_writer* out_ = nullptr;
};

// --- To JSON -------------------------------------------------------------------------------------

class reading : walk {
public:
    explicit reading(std::string_view bytes) : bytes_{bytes}, in_{bytes} {}

    result<value> run(const value& shape) {
        value out;
        if (!read(shape, out) || in_.left() != 0) {
            return fail(errc::incompatible,
                        "the answer is not what its type was said to be: " +
                            (!why_.empty()          ? why_
                             : in_.why() != nullptr ? std::string{in_.why()}
                                                    : std::string{"bytes after the end"}));
        }
        return out;
    }

private:
    bool read(const value& shape, value& out) {
        const auto [kind, inner] = kind_of(shape);
        if (inner == nullptr) {
            return read_plain(shape, kind, out);
        }
        if (kind == "fields" && inner->is_array()) {
            return read_struct(shape, inner->get_array(), out);
        }
        if (kind == "outer") {
            const value* const whole = outer(*inner);
            return whole == nullptr ? strange(shape) : below("", [&] { return read(*whole, out); });
        }
        if (kind == "optional" || kind == "boxed") {
            return read_optional(kind == "boxed", *inner, out);
        }
        if (kind == "list") {
            return read_list(*inner, out);
        }
        if (!inner->is_array()) {
            return strange(shape);
        }
        const array& parts = inner->get_array();
        return kind == "tuple"                       ? read_tuple(parts, out)
               : kind == "variant"                   ? read_variant(parts, out)
               : kind == "map" && parts.size() == 2U ? read_map(parts, out)
                                                     : strange(shape);
    }

    bool read_plain(const value& shape, std::string_view kind, value& out) {
        if (kind == "bool") {
            bool got = false;
            return in_.read_bool(got) && (out = got, true);
        }
        if (kind == "int") {
            std::int64_t got = 0;
            const bool good = in_.read_int(got);
            const auto far = static_cast<std::uint64_t>(got < 0 ? ~got : got);
            out = far <= exact_in_json ? value(got) : value(std::to_string(got));
            return good;
        }
        if (kind == "uint") {
            std::uint64_t got = 0;
            const bool good = in_.read_uint(got);
            out = got <= exact_in_json ? value(got) : value(std::to_string(got));
            return good;
        }
        if (kind == "real") {
            double got = 0;
            return in_.read_double(got) && (out = got, true);
        }
        if (kind == "null") {
            out = nullptr;
            return in_.take_null();
        }
        if (kind == "text" || kind == "bytes" || kind == "id") {
            std::string_view got;
            const bool good = kind == "text" ? in_.read_string(got) : in_.read_bytes(got);
            out = kind == "text" ? std::string{got} : hex_of(got);
            return good;
        }
        if (kind == "pid" || kind == "cbor") {
            const std::size_t begin = in_.offset();
            if (!in_.skip()) {
                return false;
            }
            const auto item = bytes_.substr(begin, in_.offset() - begin);
            const auto who = kind == "pid" ? decode<pid>(item) : fail(errc::incompatible, "");
            out = who ? who->text() : hex_of(item);
            return true;
        }
        return strange(shape);
    }

    bool read_optional(bool boxed, const value& inner, value& out) {
        if (in_.take_null()) {
            out = nullptr;
            return true;
        }
        std::size_t items = 1;
        if (boxed && (!in_.begin_array(items) || items != 1)) {
            return wrong("expected one value in an array");
        }
        const bool good = read(inner, out);
        if (boxed && good) {
            in_.end_array();
        }
        return good;
    }

    /// Fields that an older sender does not have are left out.
    bool read_struct(const value& shape, const array& fields, value& out) {
        const inside here{*this, shape};
        std::size_t items = 0;
        if (!in_.begin_array(items)) {
            return false;
        }
        object all;
        for (std::size_t i = 0; i < items; ++i) {
            if (i >= fields.size()) {
                if (!in_.skip()) {
                    return false;
                }
                continue;
            }
            value one;
            const std::string_view name = fields[i].at(0).as_string();
            if (!below(name, [&] { return read(fields[i].at(1), one); })) {
                return false;
            }
            all[name] = std::move(one);
        }
        in_.end_array();
        out = std::move(all);
        return true;
    }

    bool read_list(const value& element, value& out) {
        std::size_t items = 0;
        if (!in_.begin_array(items)) {
            return false;
        }
        array all;
        for (; items > 0; --items) {
            value one;
            if (!below(std::to_string(all.size()), [&] { return read(element, one); })) {
                return false;
            }
            all.push_back(std::move(one));
        }
        in_.end_array();
        out = std::move(all);
        return true;
    }

    bool read_tuple(const array& parts, value& out) {
        std::size_t items = 0;
        if (!in_.begin_array(items)) {
            return false;
        }
        if (items != parts.size()) {
            return wrong("expected " + std::to_string(parts.size()) + " parts");
        }
        array all;
        for (const value& part : parts) {
            value one;
            if (!below(std::to_string(all.size()), [&] { return read(part, one); })) {
                return false;
            }
            all.push_back(std::move(one));
        }
        in_.end_array();
        out = std::move(all);
        return true;
    }

    bool read_variant(const array& parts, value& out) {
        std::size_t items = 0;
        std::uint64_t which = 0;
        if (!in_.begin_array(items) || items != 2 || !in_.read_uint(which) ||
            which >= parts.size()) {
            return wrong("expected the number of an alternative, and its value");
        }
        value one;
        if (!read(parts[which], one)) {
            return false;
        }
        in_.end_array();
        out = array{which, std::move(one)};
        return true;
    }

    bool read_map(const array& parts, value& out) {
        std::size_t pairs = 0;
        if (!in_.begin_map(pairs)) {
            return false;
        }
        object all;
        for (; pairs > 0; --pairs) {
            value key;
            value mapped;
            if (!read(parts[0], key)) {
                return false;
            }
            const std::string name =
                key.is_string() ? std::string{key.get_string()} : boost::json::serialize(key);
            if (!below(name, [&] { return read(parts[1], mapped); })) {
                return false;
            }
            all[name] = std::move(mapped);
        }
        in_.end_map();
        out = std::move(all);
        return true;
    }

    const std::string_view bytes_;
    cbor_reader in_;
};

}  // namespace

result<std::string> message_bytes(const value& shape, const value& given) {
    return writing{}.run(shape, given);
}

result<value> message_value(const value& shape, std::string_view bytes) {
    if (shape.is_null()) {
        return value(nullptr);
    }
    return reading{bytes}.run(shape);
}

}  // namespace muster::cli
