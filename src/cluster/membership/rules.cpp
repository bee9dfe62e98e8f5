#include "cluster/membership/rules.hpp"

namespace muster::cluster {

bool may_step(lifecycle from, lifecycle to) noexcept {
    if (to == lifecycle::stranded) {
        return from != lifecycle::left && from != lifecycle::stranded;
    }
    switch (from) {
        case lifecycle::stranded:
            return to == lifecycle::joining || to == lifecycle::left;
        case lifecycle::joining:
            return to == lifecycle::initializing || to == lifecycle::left;
        case lifecycle::initializing:
            return to == lifecycle::online || to == lifecycle::draining;
        case lifecycle::online:
            return to == lifecycle::suspect || to == lifecycle::draining;
        case lifecycle::suspect:
            return to == lifecycle::online || to == lifecycle::draining;
        case lifecycle::draining:
            return to == lifecycle::online || to == lifecycle::left;
        case lifecycle::left:
            return false;
    }
    return false;
}

}  // namespace muster::cluster
