#include "keeper.hpp"
#include "verbs.hpp"

namespace muster::cli {

exit_code run_dev(const given& words, context& at) {
    const exit_code code = serve_keeper(words, at, [&at](const runtime::endpoint& where) {
        const char* const strong = at.colours ? "\033[1m" : "";
        const char* const plain = at.colours ? "\033[0m" : "";
        at.out << "ready " << where.text() << "\n\n"
               << "A ZooKeeper for development; everything is in memory. In other terminals:\n\n"
               << "  " << strong << "export MUSTER_ZOOKEEPER=" << where.text() << plain << "\n\n"
               << "  muster agent --name a1 --resource jobs --partitions 16 --journal -\n"
               << "  muster status\n\nCtrl-C stops it." << std::endl;
    });
    if (code == exit_code::done) {
        at.err << "stopped\n";
    }
    return code;
}

}  // namespace muster::cli
