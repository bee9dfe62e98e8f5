#include "live/journal_check.hpp"

#include "base/text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace muster::live {
namespace {

namespace json = boost::json;

/// One line's fields, read strictly: a journal is a contract.
class line {
public:
    explicit line(const json::object& fields) : fields_{fields} {}

    [[nodiscard]] std::optional<std::string> text(std::string_view name) const {
        const json::value* found = fields_.if_contains(name);
        if (found == nullptr || !found->is_string()) {
            return std::nullopt;
        }
        return std::string{found->get_string()};
    }
    [[nodiscard]] std::optional<std::int64_t> number(std::string_view name) const {
        const json::value* found = fields_.if_contains(name);
        return found == nullptr || !found->is_int64() ? std::nullopt
                                                      : std::optional{found->get_int64()};
    }
    /// A number of 64 bits: a decimal string.
    [[nodiscard]] std::optional<std::int64_t> long_number(std::string_view name) const {
        const auto digits = text(name);
        const auto value = digits ? base::parse_uint64(*digits) : std::nullopt;
        return !value || *value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}
                   ? std::nullopt
                   : std::optional{static_cast<std::int64_t>(*value)};
    }
    [[nodiscard]] std::optional<bool> truth(std::string_view name) const {
        const json::value* found = fields_.if_contains(name);
        return found == nullptr || !found->is_bool() ? std::nullopt
                                                     : std::optional{found->get_bool()};
    }
    /// "resource/partition"; a number for hash resources, else a string.
    [[nodiscard]] std::optional<std::string> place() const {
        const auto resource = text("resource");
        auto partition = text("partition");
        if (const auto as_number = number("partition")) {
            partition = std::to_string(*as_number);
        }
        if (!resource || !partition) {
            return std::nullopt;
        }
        const auto slot = number("replica");
        return *resource + '/' + *partition + (slot ? '#' + std::to_string(*slot) : "");
    }

private:
    const json::object& fields_;
};

std::string told(const tenure& one) {
    return one.process + " under " + std::to_string(one.fence) + " [" + std::to_string(one.from) +
           ", " + (one.until ? std::to_string(*one.until) + ' ' + one.ended_by : "now") + "]";
}

class reader {
public:
    reader(const journal_text& from, journal_verdict& into) : from_{from}, into_{into} {}

    void read() {
        std::string_view rest = from_.text;
        for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
            ++line_number_;
            take(rest.substr(0, end));
            rest.remove_prefix(end + 1);
        }
        close_all();
    }

private:
    using key = std::pair<std::string, std::int64_t>;  // place and fence

    void complain(const std::string& what) {
        into_.broken.push_back(from_.process + " line " + std::to_string(line_number_) + ": " +
                               what);
    }

    void take(std::string_view words) {
        boost::system::error_code wrong;
        const json::value parsed = json::parse(words, wrong);
        if (wrong || !parsed.is_object()) {
            complain("is no JSON object: " + std::string{words});
            return;
        }
        const line said{parsed.get_object()};
        const auto t = said.number("t");
        const auto event = said.text("event");
        const auto member = said.text("member");
        const auto id = said.text("id");
        if (!t || !event || !member || !id) {
            complain("lacks t, event, member or id: " + std::string{words});
            return;
        }
        if (std::exchange(first_, false) != (*event == "start")) {
            complain("a process writes start once, and first");
        }
        const tenure now{.process = from_.process, .member = *member, .id = *id, .from = *t};
        if (*event == "acquire" || *event == "release" || *event == "revoke") {
            take_right(*event, said, now);
        } else if (*event == "leader") {
            take_leader(said, now);
        } else if (*event == "state") {
            into_.steps[from_.process].push_back({*t, *id, said.text("to").value_or("")});
        } else if (*event == "view") {
            take_view(said);
        }
    }

    void take_right(const std::string& event, const line& said, tenure now) {
        const auto place = said.place();
        const auto fence = said.long_number("fence");
        if (!place || !fence) {
            complain(event + " lacks resource, partition or fence");
            return;
        }
        now.fence = *fence;
        const key which{*place, *fence};
        if (event == "acquire") {
            if (!rights_.emplace(which, now).second) {
                complain("acquires " + *place + " a second time under " + std::to_string(*fence));
            }
            return;
        }
        const auto found = rights_.find(which);
        if (found == rights_.end()) {
            complain(event + " of " + *place + " under " + std::to_string(*fence) +
                     ", which it did not acquire");
        } else {
            end(found->second, now.from, event);
        }
    }

    void take_leader(const line& said, tenure now) {
        const auto gained = said.truth("gained");
        const auto epoch = said.long_number("epoch");
        if (!gained || !epoch) {
            complain("leader lacks gained or epoch");
            return;
        }
        now.fence = *epoch;
        if (*gained) {
            led_.push_back(now);
        } else if (led_.empty() || led_.back().until) {
            complain("loses a leadership that it did not gain");
        } else {
            end(led_.back(), now.from, "loss");
        }
    }

    void take_view(const line& said) {
        const auto number = said.long_number("number");
        if (!number) {
            complain("view lacks its number");
        } else if (*number < view_) {
            complain("its views go back from " + std::to_string(view_) + " to " +
                     std::to_string(*number));
        } else {
            view_ = *number;
        }
    }

    /// The earliest of several ends counts.
    void end(tenure& one, std::int64_t t, const std::string& by) {
        if (t < one.from) {
            complain(by + " lies before its acquire: " + told(one));
        }
        if (!one.until || t < *one.until) {
            one.until = t;
            one.ended_by = by;
        }
    }

    void close_all() {
        for (auto& [which, one] : rights_) {
            if (from_.died) {
                end(one, *from_.died, "death");
            }
            into_.held[which.first].push_back(std::move(one));
        }
        for (tenure& one : led_) {
            if (from_.died) {
                end(one, *from_.died, "death");
            }
            into_.led.push_back(std::move(one));
        }
    }

    const journal_text& from_;
    journal_verdict& into_;
    std::size_t line_number_ = 0;
    bool first_ = true;
    std::int64_t view_ = 0;
    std::map<key, tenure> rights_;
    std::vector<tenure> led_;
};

void sort(std::vector<tenure>& all) {
    std::ranges::sort(all, {}, [](const tenure& one) { return std::pair{one.from, one.fence}; });
}

/// In order of their beginning: each begins when all before it have ended, under a larger fence.
void check_order(const std::string& place,
                 const std::vector<tenure>& all,
                 const journal_rules& rules,
                 bool may_overlap,
                 std::vector<std::string>& broken) {
    const tenure* last_to_end = nullptr;
    const tenure* largest = nullptr;
    for (const tenure& one : all) {
        if (last_to_end != nullptr && !may_overlap &&
            (!last_to_end->until || *last_to_end->until > one.from)) {
            broken.push_back(place + ": two owners at once: " + told(*last_to_end) + " and " +
                             told(one));
        }
        if (largest != nullptr && one.fence <= largest->fence) {
            broken.push_back(place + ": the fence " +
                             (one.fence == largest->fence ? "comes again: " : "goes back: ") +
                             told(*largest) + ", then " + told(one));
        }
        if (rules.robbed.contains(one.process)) {
            // Its end is not looked at; that its fences grow is.
        } else if (last_to_end == nullptr ||
                   (last_to_end->until && (!one.until || *one.until > *last_to_end->until))) {
            last_to_end = &one;
        }
        if (largest == nullptr || one.fence > largest->fence) {
            largest = &one;
        }
    }
}

}  // namespace

std::multimap<std::string, tenure> journal_verdict::owned() const {
    std::multimap<std::string, tenure> now;
    for (const auto& [place, all] : held) {
        for (const tenure& one : all) {
            if (!one.until) {
                now.emplace(place, one);
            }
        }
    }
    return now;
}

std::string journal_verdict::leader() const {
    for (const tenure& one : led) {
        if (!one.until) {
            return one.process;
        }
    }
    return {};
}

std::string journal_verdict::state(const std::string& process) const {
    const auto found = steps.find(process);
    return found == steps.end() || found->second.empty() ? std::string{} : found->second.back().to;
}

std::string journal_verdict::text() const {
    std::string all;
    for (const std::string& one : broken) {
        all += one + '\n';
    }
    return all;
}

journal_verdict check_journals(const std::vector<journal_text>& texts, const journal_rules& rules) {
    journal_verdict made;
    for (const journal_text& one : texts) {
        reader{one, made}.read();
    }
    for (auto& [place, all] : made.held) {
        sort(all);
        check_order(place, all, rules, false, made.broken);
    }
    sort(made.led);
    check_order("leadership", made.led, rules, rules.leaders_may_overlap, made.broken);
    return made;
}

}  // namespace muster::live
