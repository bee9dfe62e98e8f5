// A member that does what process_live_test tells its processes. Settings: MUSTER_ZOOKEEPER,
// MUSTER_NAME, MUSTER_SESSION_TIMEOUT.

#include "live/far_program.hpp"

int main() {
    muster::node node{"default"};
    node.factory("obedient", muster::live::obedient);
    node.register_name("obedient", node.spawn(muster::live::obedient));
    node.lead(muster::live::leading);
    return node.run();
}
