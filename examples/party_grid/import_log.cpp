#include "import_log.hpp"

#include "base/utf8.hpp"
#include "import_pipe.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;
using muster::fail;
using muster::result;

constexpr std::size_t wanted_partitions = 3;

std::string_view take_word(std::string_view& text) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

std::string stamp_of(const log_line& one) {
    return std::string{one.day} + "T" + std::string{one.time};
}

void add_package(boost::json::object& value, std::string_view word) {
    const std::size_t colon = word.find(':');
    value["package"] = word.substr(0, colon);
    if (colon != std::string_view::npos) {
        value["architecture"] = word.substr(colon + 1);
    }
}

std::size_t count_partitions(const std::vector<record>& records, date_step step) {
    std::set<std::string_view> names;
    for (const record& one : records) {
        names.insert(date_partition(one.key, step));
        if (names.size() >= wanted_partitions) {
            break;
        }
    }
    return names.size();
}

/// `3` of `dpkg.log.3.gz`, given `.3.gz`; nothing where logrotate does not name files like this.
std::optional<unsigned> rotation(std::string_view suffix) {
    unsigned number = 0;
    if (!suffix.starts_with('.')) {
        return std::nullopt;
    }
    suffix.remove_prefix(1);
    const auto [end, code] = std::from_chars(suffix.data(), suffix.data() + suffix.size(), number);
    const std::string_view rest{end, static_cast<std::size_t>(suffix.data() + suffix.size() - end)};
    if (code != std::errc{} || !(rest.empty() || rest == ".gz")) {
        return std::nullopt;
    }
    return number;
}

}  // namespace

std::optional<log_line> parse_log_line(std::string_view line) {
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    constexpr std::size_t stamp_length = 19;  // 2024-05-02 14:03:59
    if (line.size() <= stamp_length + 1 || line[10] != ' ' || line[stamp_length] != ' ') {
        return std::nullopt;
    }
    log_line found{line.substr(0, 10), line.substr(11, 8), {}, {}};
    if (!is_date_partition(found.day) || !is_dated(stamp_of(found)) ||
        found.time.find_first_not_of("0123456789:") != std::string_view::npos ||
        found.time[5] != ':') {
        return std::nullopt;
    }
    line.remove_prefix(stamp_length + 1);
    found.action = take_word(line);
    found.rest = line;
    if (found.action.empty()) {
        return std::nullopt;
    }
    return found;
}

std::string log_json(const log_line& one) {
    boost::json::object value;
    if (!muster::base::is_utf8(one.action) || !muster::base::is_utf8(one.rest)) {
        value["at"] = stamp_of(one);
        value["action"] = "unreadable";
        return boost::json::serialize(value);
    }
    value["at"] = stamp_of(one);
    value["action"] = one.action;
    std::string_view rest = one.rest;
    if (one.action == "status") {  // status half-configured bash:amd64 5.2
        value["state"] = take_word(rest);
        add_package(value, take_word(rest));
        value["version"] = rest;
    } else if (one.action == "startup" || one.action == "conffile") {
        value["what"] = rest;
    } else {  // install bash:amd64 <none> 5.2
        add_package(value, take_word(rest));
        value["old"] = take_word(rest);
        value["new"] = rest;
    }
    return boost::json::serialize(value);
}

void log_collector::add(std::string_view line) {
    const auto parsed = parse_log_line(line);
    if (!parsed) {
        ++ignored_;
        return;
    }
    std::string second = stamp_of(*parsed);
    std::string number = std::to_string(lines_in_[second]++);
    number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
    records_.push_back({std::move(second) + "." + number, log_json(*parsed)});
}

date_step log_collector::step() const {
    for (const date_step step : {date_step::day, date_step::hour}) {
        if (count_partitions(records_, step) >= wanted_partitions) {
            return step;
        }
    }
    return date_step::minute;
}

std::vector<dated_record> log_collector::take() {
    const date_step cut = step();
    std::vector<dated_record> found;
    found.reserve(records_.size());
    for (record& one : records_) {
        std::string partition{date_partition(one.key, cut)};
        found.push_back({std::move(partition), std::move(one.key), std::move(one.value)});
    }
    records_.clear();
    lines_in_.clear();
    std::ranges::sort(found, {}, &dated_record::key);
    return found;
}

std::vector<std::string> log_files(const std::string& path) {
    const std::filesystem::path whole{path};
    const std::string name = whole.filename().string();
    std::vector<std::pair<unsigned, std::string>> found;
    std::error_code ignored;
    if (std::filesystem::exists(whole, ignored)) {
        found.emplace_back(0, path);
    }
    std::filesystem::directory_iterator folder{whole.parent_path(), ignored};
    for (; !ignored && folder != std::filesystem::directory_iterator{}; folder.increment(ignored)) {
        const std::string other = folder->path().filename().string();
        if (other.starts_with(name)) {
            if (const auto number = rotation(std::string_view{other}.substr(name.size()))) {
                found.emplace_back(*number, folder->path().string());
            }
        }
    }
    std::ranges::sort(found, std::greater{});
    std::vector<std::string> files;
    for (auto& [number, file] : found) {
        files.push_back(std::move(file));
    }
    return files;
}

result<log_import> read_package_log(const std::string& path) {
    log_import found;
    log_collector lines;
    std::string why;
    for (const std::string& file : log_files(path)) {
        const auto sink = [&lines](std::string_view line) { lines.add(line); };
        const auto done = file.ends_with(".gz") ? read_program_lines({"zcat", file}, sink)
                                                : read_file_lines(file, sink);
        if (done) {
            found.files.push_back(file);
        } else {
            why += "; " + done.error().text;
        }
    }
    if (lines.size() == 0) {
        return fail(errc::not_found,
                    "no dated records to import: " +
                        (found.files.empty() ? "there is no package log " + path
                                             : path + " and its older parts are empty") +
                        why + "; it appears when dpkg installs something");
    }
    found.step = lines.step();
    found.records = lines.take();
    for (const dated_record& one : found.records) {
        if (found.partitions.empty() || found.partitions.back() != one.partition) {
            found.partitions.push_back(one.partition);
        }
    }
    return found;
}

}  // namespace party_grid
