#include "discovery/rules.hpp"

#include "discovery/service_name.hpp"

#include <algorithm>
#include <utility>

namespace muster::discovery {

std::vector<std::string> service_facts::listed(const std::vector<std::string>& children) {
    std::map<std::string, std::optional<instance>> now;
    std::vector<std::string> strange;
    for (const auto& child : children) {
        const auto before = children_.find(child);
        if (before != children_.end()) {
            now.insert(*before);
            continue;
        }
        const auto& read = now.emplace(child, parse_instance(child)).first->second;
        if (!read) {
            strange.push_back(child);
        }
    }
    children_ = std::move(now);
    known_ = true;
    return strange;
}

bool service_facts::came(const std::string& child) {
    return children_.try_emplace(child, parse_instance(child)).second;
}

bool service_facts::went(const std::string& child) {
    return children_.erase(child) != 0;
}

std::vector<instance> service_facts::others() const {
    std::vector<instance> found;
    for (const auto& [child, one] : children_) {
        if (one && one->who.life() != own_) {
            found.push_back(*one);
        }
    }
    std::ranges::sort(found, {}, &instance::who);
    return found;
}

void read_queue::want(const std::string& name, urgency how) {
    const bool fresh = wanted_.insert(name).second;
    if (how == urgency::awaited) {
        awaited_.push_back(name);  // Where it stood in turn too, that place is passed over.
    } else if (fresh) {
        in_turn_.push_back(name);
    }
}

std::optional<std::string> read_queue::next() {
    if (reading_.size() >= at_once_) {
        return std::nullopt;
    }
    for (auto* const line : {&awaited_, &in_turn_}) {
        std::erase_if(*line, [this](const auto& name) { return !wanted_.contains(name); });
        const auto found = std::ranges::find_if(
            *line, [this](const auto& name) { return !reading_.contains(name); });
        if (found != line->end()) {
            std::string name = *found;
            line->erase(found);
            wanted_.erase(name);
            reading_.insert(name);
            return name;
        }
    }
    return std::nullopt;
}

void read_queue::ended(const std::string& name) {
    reading_.erase(name);
}

void read_queue::drop(const std::string& name) {
    wanted_.erase(name);
    reading_.erase(name);
}

void read_queue::clear() {
    awaited_.clear();
    in_turn_.clear();
    wanted_.clear();
    reading_.clear();
}

}  // namespace muster::discovery
