#include "simulation/ghosts.hpp"

#include <set>

namespace muster::simulation {

std::string ghosts(sim_cluster& box, bystander& witness) {
    std::string out;
    std::set<std::string> present;
    for (const auto& one : box.nodes()) {
        if (one->running && !one->running->ids().empty()) {
            present.insert(one->running->ids().back().text());
        }
    }
    for (const std::string& path :
         {witness.where().members(), witness.where().statuses(), witness.where().succession()}) {
        std::set<std::string> found;
        for (const std::string& child : witness.children(path)) {
            const std::string id = child.substr(0, 32);
            if (!present.contains(id)) {
                out = "X5: " + path + "/" + child + " belongs to nobody";
            } else if (!found.insert(id).second) {
                out = "X5: two of " + path + " belong to " + id;
            }
        }
        if (found.size() != present.size() && out.empty()) {
            out = "X5: " + std::to_string(found.size()) + " of " + std::to_string(present.size()) +
                  " stand in " + path;
        }
    }
    return out;
}

}  // namespace muster::simulation
