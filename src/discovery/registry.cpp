#include "discovery/registry.hpp"

namespace muster::discovery {

result<added> registry::add(const std::string& name, const pid& who, std::size_t bytes) {
    const auto named = all_.find(name);
    const bool there = named != all_.end() && named->second.contains(who);
    const std::size_t before = there ? named->second.at(who) : 0;
    if (before == 0 && bytes_ + bytes > most_) {
        return fail(errc::overloaded,
                    "cannot publish '" + name + "' for " + who.text() + ": the names of one node " +
                        "may take " + std::to_string(most_) + " bytes in ZooKeeper, and " +
                        std::to_string(bytes_) + " are taken; publish fewer (publish_prefix)");
    }
    if (before == 0) {
        all_[name][who] = bytes;
        bytes_ += bytes;
    }
    const auto [of, is_new] = named_.try_emplace(who);
    of->second.insert(name);
    return is_new ? added::anew : added::before;
}

bool registry::remove(std::string_view name, const pid& who) {
    const auto named = all_.find(name);
    if (named == all_.end()) {
        return false;
    }
    const auto place = named->second.find(who);
    if (place == named->second.end()) {
        return false;
    }
    bytes_ -= place->second;
    named->second.erase(place);
    if (named->second.empty()) {
        all_.erase(named);
    }
    auto& names = named_[who];
    if (const auto one = names.find(name); one != names.end()) {
        names.erase(one);
    }
    return true;
}

std::vector<std::string> registry::forget(const pid& who) {
    const auto known = named_.find(who);
    if (known == named_.end()) {
        return {};
    }
    const std::vector<std::string> names{known->second.begin(), known->second.end()};
    for (const auto& name : names) {
        remove(name, who);
    }
    named_.erase(who);
    return names;
}

bool registry::holds(std::string_view name, const pid& who) const {
    const auto named = all_.find(name);
    return named != all_.end() && named->second.contains(who);
}

std::vector<pid> registry::of(std::string_view name) const {
    std::vector<pid> found;
    if (const auto named = all_.find(name); named != all_.end()) {
        for (const auto& [who, bytes] : named->second) {
            found.push_back(who);
        }
    }
    return found;
}

void registry::for_published(
    const std::function<void(const std::string&, const pid&)>& each) const {
    for (const auto& [name, named] : all_) {
        for (const auto& [who, bytes] : named) {
            if (bytes != 0) {
                each(name, who);
            }
        }
    }
}

}  // namespace muster::discovery
