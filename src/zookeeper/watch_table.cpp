#include "zookeeper/watch_table.hpp"

#include <algorithm>

namespace muster::zookeeper {

void watch_table::add(std::string_view path, connection_id who, mode how) {
    auto at = by_path_.find(path);
    if (at == by_path_.end()) {
        at = by_path_.emplace(std::string{path}, std::map<connection_id, mode>{}).first;
    }
    const auto [entry, is_new] = at->second.try_emplace(who, how);
    if (is_new) {
        ++size_;
        by_watcher_[who].insert(std::string_view{at->first});
    } else if (entry->second == mode::recursive) {
        --recursive_;
    }
    entry->second = how;
    if (how == mode::recursive) {
        ++recursive_;
    }
}

void watch_table::drop_index(connection_id who, std::string_view path) {
    const auto at = by_watcher_.find(who);
    at->second.erase(path);
    if (at->second.empty()) {
        by_watcher_.erase(at);
    }
    --size_;
}

std::vector<connection_id> watch_table::trigger(std::string_view path, event_type type) {
    std::vector<connection_id> told;
    if (const auto at = by_path_.find(path); at != by_path_.end()) {
        for (auto entry = at->second.begin(); entry != at->second.end();) {
            const auto [who, how] = *entry;
            if (how != mode::recursive || type != event_type::children_changed) {
                told.push_back(who);
            }
            if (how == mode::once) {
                drop_index(who, at->first);
                entry = at->second.erase(entry);
            } else {
                ++entry;
            }
        }
        if (at->second.empty()) {
            by_path_.erase(at);
        }
    }
    if (recursive_ > 0 && type != event_type::children_changed) {
        collect_above(path, told);
    }
    return told;
}

/// The recursive watches on every path above `path`, the root included.
void watch_table::collect_above(std::string_view path, std::vector<connection_id>& told) const {
    while (path.size() > 1) {
        const std::size_t slash = path.rfind('/');
        path = slash == 0 || slash == std::string_view::npos ? "/" : path.substr(0, slash);
        const auto at = by_path_.find(path);
        if (at == by_path_.end()) {
            continue;
        }
        for (const auto& [who, how] : at->second) {
            if (how == mode::recursive) {
                told.push_back(who);
            }
        }
    }
    std::ranges::sort(told);
    told.erase(std::ranges::unique(told).begin(), told.end());
}

bool watch_table::remove(std::string_view path, connection_id who) {
    const auto at = by_path_.find(path);
    if (at == by_path_.end()) {
        return false;
    }
    const auto entry = at->second.find(who);
    if (entry == at->second.end()) {
        return false;
    }
    recursive_ -= entry->second == mode::recursive ? 1 : 0;
    drop_index(who, at->first);
    at->second.erase(entry);
    if (at->second.empty()) {
        by_path_.erase(at);
    }
    return true;
}

void watch_table::forget(connection_id who) {
    const auto known = by_watcher_.find(who);
    if (known == by_watcher_.end()) {
        return;
    }
    for (const std::string_view path : known->second) {
        const auto at = by_path_.find(path);
        const auto entry = at->second.find(who);
        recursive_ -= entry->second == mode::recursive ? 1 : 0;
        at->second.erase(entry);
        --size_;
        if (at->second.empty()) {
            by_path_.erase(at);
        }
    }
    by_watcher_.erase(known);
}

}  // namespace muster::zookeeper
