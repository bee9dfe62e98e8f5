#pragma once

/// @file
/// Reading stored JSON without trust: every value is checked, the first thing wrong is kept. Used
/// by the codecs of this room alone.

#include "muster/error.hpp"

#include "cluster/records.hpp"

#include <boost/json.hpp>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cluster::stored {

inline constexpr std::int64_t format = 1;
inline constexpr std::size_t most_bytes = std::size_t{1} << 20U;  ///< a znode holds no more
inline constexpr std::size_t most_members = 65'536;
inline constexpr std::size_t most_names = 65'536;

/// The object in `json`, of our format.
/// Errors: incompatible (a higher format), invalid_argument.
[[nodiscard]] result<boost::json::object> parse(std::string_view json, std::string_view path);

/// An object with "format" in place.
[[nodiscard]] boost::json::object fresh();
[[nodiscard]] std::string written(const boost::json::object& what);
/// 64-bit numbers are decimal strings.
[[nodiscard]] boost::json::string number(std::int64_t value);
/// "" for nobody.
[[nodiscard]] boost::json::string id(member_id who);
/// Text for people: bytes that are not UTF-8 become '?'.
[[nodiscard]] boost::json::string text(std::string_view bytes);
/// Names that matter: percent-encoded, so that any bytes survive.
[[nodiscard]] boost::json::string name(std::string_view bytes);

/// Reads values of one stored record. After the first wrong value every further read answers
/// something harmless, and `check` answers the error.
class reader {
public:
    explicit reader(std::string_view path) : path_{path} {}

    void wrong(std::string_view what);
    [[nodiscard]] bool is_wrong() const { return !wrong_.empty(); }
    [[nodiscard]] result<void> check() const;

    // Of one value. `what` names it in errors.
    std::int64_t to_number(const boost::json::value& from,
                           std::string_view what,
                           std::int64_t least,
                           std::int64_t most);
    /// A JSON number, not a string.
    std::int64_t to_small(const boost::json::value& from,
                          std::string_view what,
                          std::int64_t least,
                          std::int64_t most);
    double to_real(const boost::json::value& from, std::string_view what);
    std::string to_text(const boost::json::value& from, std::string_view what);
    std::string to_name(const boost::json::value& from, std::string_view what);
    std::string decoded(std::string_view encoded, std::string_view what);
    bool to_bool(const boost::json::value& from, std::string_view what);
    /// `or_nobody`: "" is allowed.
    member_id to_id(const boost::json::value& from, std::string_view what, bool or_nobody);
    const boost::json::array& to_array(const boost::json::value& from,
                                       std::string_view what,
                                       std::size_t most);
    const boost::json::object& to_object(const boost::json::value& from,
                                         std::string_view what,
                                         std::size_t most);

    // Of a field that may be absent: the given default stands then.
    void read(const boost::json::object& from, std::string_view key, bool& into);
    void read(const boost::json::object& from, std::string_view key, std::string& into);
    void read(const boost::json::object& from,
              std::string_view key,
              std::int64_t& into,
              std::int64_t least,
              std::int64_t most);
    /// A set of percent-encoded names.
    void read_names(const boost::json::object& from,
                    std::string_view key,
                    std::set<std::string>& into,
                    bool decode);

    /// A field that must be there; null where it is not.
    const boost::json::value& needed(const boost::json::object& from, std::string_view key);

private:
    std::string_view path_;
    std::string wrong_;
};

}  // namespace muster::cluster::stored
