#include "import_packages.hpp"

#include "base/utf8.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace party_grid {
namespace {

using muster::errc;
using muster::fail;
using muster::result;

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view left, std::string_view right) {
    return std::ranges::equal(left, right, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
        text.remove_suffix(1);
    }
    return text;
}

/// The weight of a character outside of numbers; 0 is the end of the text.
int weight(std::string_view text) {
    if (text.empty() || is_digit(text.front())) {
        return 0;
    }
    const char c = text.front();
    if (c == '~') {
        return -1;
    }
    const bool letter = lower(c) >= 'a' && lower(c) <= 'z';
    return static_cast<unsigned char>(c) + (letter ? 0 : 256);
}

std::string_view take_number(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && is_digit(text[length])) {
        ++length;
    }
    std::string_view number = text.substr(0, length);
    text.remove_prefix(length);
    while (number.starts_with('0')) {
        number.remove_prefix(1);
    }
    return number;
}

std::strong_ordering compare_parts(std::string_view left, std::string_view right) {
    while (!left.empty() || !right.empty()) {
        for (;;) {
            const int l = weight(left);
            const int r = weight(right);
            if (l != r) {
                return l <=> r;
            }
            if (l == 0) {
                break;
            }
            left.remove_prefix(1);
            right.remove_prefix(1);
        }
        const std::string_view l = take_number(left);
        const std::string_view r = take_number(right);
        if (l.size() != r.size()) {
            return l.size() <=> r.size();
        }
        if (const int order = l.compare(r); order != 0) {
            return order <=> 0;
        }
    }
    return std::strong_ordering::equal;
}

struct version_parts {
    std::string_view epoch;
    std::string_view upstream;
    std::string_view revision;
};

version_parts split_version(std::string_view text) {
    version_parts parts;
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        parts.epoch = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    const std::size_t hyphen = text.rfind('-');
    parts.upstream = text.substr(0, hyphen);
    if (hyphen != std::string_view::npos) {
        parts.revision = text.substr(hyphen + 1);
    }
    return parts;
}

/// JSON is UTF-8. Of a text that is not, whatever is not ASCII becomes '?'.
std::string as_utf8(std::string_view text) {
    std::string clean{text};
    if (!muster::base::is_utf8(text)) {
        std::ranges::replace_if(
            clean, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
    }
    return clean;
}

/// What the JSON says of a package, and the field it is taken from.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> text_fields = {{
    {"package", "Package"},
    {"version", "Version"},
    {"architecture", "Architecture"},
    {"section", "Section"},
    {"priority", "Priority"},
    {"maintainer", "Maintainer"},
    {"homepage", "Homepage"},
    {"depends", "Depends"},
    {"recommends", "Recommends"},
    {"filename", "Filename"},
}};

void add_number(boost::json::object& into, std::string_view name, std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (!text.empty() && code == std::errc{} && end == text.data() + text.size()) {
        into[name] = value;
    } else if (!text.empty()) {
        into[name] = as_utf8(text);  // 64-bit numbers are text in our JSON.
    }
}

/// Reads one source to its end.
template <class Read>
result<package_import> collect(Read read, std::string source) {
    stanza_reader stanzas;
    package_collector packages;
    auto done = read([&](std::string_view line) {
        if (const auto one = stanzas.take(line)) {
            packages.add(*one);
        }
    });
    if (!done) {
        return std::unexpected{done.error()};
    }
    if (const auto last = stanzas.finish()) {
        packages.add(*last);
    }
    package_import found{{}, std::move(source), {}, packages.superseded()};
    found.records = packages.take();
    return found;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& one : words) {
        text += (text.empty() ? "" : " ") + one;
    }
    return text;
}

}  // namespace

void stanza::add(std::string_view name, std::string_view value) {
    fields_.emplace_back(name, value);
}

void stanza::extend(std::string_view line) {
    fields_.back().second += '\n';
    fields_.back().second += line;
}

std::string_view stanza::operator[](std::string_view name) const {
    const auto found = std::ranges::find_if(
        fields_, [&](const auto& field) { return same_name(field.first, name); });
    return found == fields_.end() ? std::string_view{} : std::string_view{found->second};
}

std::optional<stanza> stanza_reader::take(std::string_view line) {
    if (trimmed(line).empty() && (line.empty() || line.front() == '\r')) {
        return finish();
    }
    if (line.front() == ' ' || line.front() == '\t') {
        if (!begun_.empty() && !skipping_) {
            begun_.extend(trimmed(line));
        } else {
            malformed_ += skipping_ ? 0 : 1;
        }
        return std::nullopt;
    }
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    skipping_ = colon == std::string_view::npos || name.empty() ||
                name.find_first_of(" \t") != std::string_view::npos;
    if (skipping_) {
        ++malformed_;
        return std::nullopt;
    }
    begun_.add(name, trimmed(line.substr(colon + 1)));
    return std::nullopt;
}

std::optional<stanza> stanza_reader::finish() {
    skipping_ = false;
    if (begun_.empty()) {
        return std::nullopt;
    }
    return std::exchange(begun_, stanza{});
}

std::strong_ordering compare_versions(std::string_view left, std::string_view right) {
    const version_parts l = split_version(left);
    const version_parts r = split_version(right);
    for (const auto& [one, other] : {std::pair{l.epoch, r.epoch},
                                     std::pair{l.upstream, r.upstream},
                                     std::pair{l.revision, r.revision}}) {
        if (const auto order = compare_parts(one, other); order != 0) {
            return order;
        }
    }
    return std::strong_ordering::equal;
}

std::string package_json(const stanza& one) {
    boost::json::object value;
    for (const auto& [name, field] : text_fields) {
        if (const std::string_view text = one[field]; !text.empty()) {
            value[name] = as_utf8(text);
        }
    }
    add_number(value, "installed_size_kib", one["Installed-Size"]);
    add_number(value, "size_bytes", one["Size"]);
    if (const std::string_view text = one["Description"]; !text.empty()) {
        value["description"] = as_utf8(text.substr(0, text.find('\n')));
    }
    return boost::json::serialize(value);
}

void package_collector::add(const stanza& one) {
    const std::string_view name = one["Package"];
    const std::string_view version = one["Version"];
    const std::string_view status = one["Status"];  // Only in dpkg's status file.
    if (!is_key(name) || version.empty() || (!status.empty() && !status.ends_with(" installed"))) {
        ++ignored_;
        return;
    }
    const std::string_view architecture = one["Architecture"];
    const auto found = chosen_.find(name);
    if (found == chosen_.end()) {
        chosen_.emplace(name,
                        choice{std::string{version}, std::string{architecture}, package_json(one)});
        return;
    }
    ++superseded_;
    choice& present = found->second;
    const auto order = compare_versions(version, present.version);
    if (order > 0 || (order == 0 && architecture > present.architecture)) {
        present = {std::string{version}, std::string{architecture}, package_json(one)};
    }
}

std::vector<record> package_collector::take() {
    std::vector<record> found;
    found.reserve(chosen_.size());
    for (auto& [name, one] : chosen_) {
        found.push_back({name, std::move(one.value)});
    }
    chosen_.clear();
    return found;
}

result<package_import> read_packages(const package_sources& from) {
    auto index = collect([&](const on_line& sink) { return read_program_lines(from.index, sink); },
                         joined(from.index));
    if (index && !index->records.empty()) {
        return index;
    }
    const std::string why =
        index ? joined(from.index) + " lists no packages (apt-get update fills its lists)"
              : index.error().text;
    auto installed =
        collect([&](const on_line& sink) { return read_file_lines(from.status_file, sink); },
                from.status_file);
    if (installed && !installed->records.empty()) {
        installed->note = why + "; these are the " + std::to_string(installed->records.size()) +
                          " installed packages of " + from.status_file + " instead";
        return installed;
    }
    return fail(errc::not_found,
                "no packages to import: " + why + ", and " +
                    (installed ? from.status_file + " lists none" : installed.error().text) +
                    "; run on a Debian machine, after apt-get update");
}

}  // namespace party_grid
