// RapidCheck draws a new seed for each run unless told one. A test that fails for one run in a
// thousand is nobody's failure, so all properties of this program draw from one seed, the same on
// every machine. To look elsewhere: RC_PARAMS="seed=17 max_success=10000" muster_cluster_tests

#include <gtest/gtest.h>

#include <cstdlib>

namespace muster::cluster {
namespace {

class pinned_seed final : public testing::Environment {
public:
    void SetUp() override {
        // Read at the first property; what the caller has set stands.
        setenv("RC_PARAMS", "seed=20260101", 0);  // NOLINT(concurrency-mt-unsafe): no thread yet
    }
};

const testing::Environment* const pinned = testing::AddGlobalTestEnvironment(new pinned_seed);

}  // namespace
}  // namespace muster::cluster
