#include "date_catalogue.hpp"

#include <optional>
#include <set>

namespace party_grid {
namespace {

std::optional<date_step> cut_of(const date_entries& known, std::string_view day) {
    const auto found = known.find(day);
    if (found == known.end()) {
        return std::nullopt;
    }
    for (const date_step step : {date_step::day, date_step::hour}) {
        if (found->second == name_of(step)) {
            return step;
        }
    }
    return date_step::minute;
}

}  // namespace

placed place(const date_entries& known,
             const std::string& day,
             date_step wished,
             const std::vector<placing>& what) {
    const auto decided = cut_of(known, day);
    const date_step cut = decided.value_or(wished);
    std::set<std::string> added;
    for (const placing& one : what) {
        if (std::string home = home_of(one.key, cut);
            one.adds && (!decided || !known.contains(home))) {
            added.insert(std::move(home));
        }
    }
    placed out;
    for (const placing& one : what) {
        std::string home = home_of(one.key, cut);
        const bool there = (decided && known.contains(home)) || added.contains(home);
        out.partitions.push_back(there ? std::move(home) : "");
    }
    if (!decided && !added.empty()) {
        added.insert(day);
    }
    for (const std::string& entry : added) {
        out.changes.push_back({entry, std::string{name_of(cut)}});
    }
    return out;
}

std::vector<std::string> partitions_for(const date_entries& known, std::string_view prefix) {
    std::vector<std::string> names;
    for (const auto& [name, cut] : known) {
        const bool whole = cut == name_of(step_of(name));  // Else it says how its day is cut.
        if (whole && (std::string_view{name}.starts_with(prefix) || prefix.starts_with(name))) {
            names.push_back(name);
        }
    }
    return names;
}

}  // namespace party_grid
