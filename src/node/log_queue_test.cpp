#include "node/log_queue.hpp"

#include "runtime/real.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace muster::detail {
namespace {

using texts = std::vector<std::string>;

/// Whoever writes the log waits until the test lets it go on.
struct a_log : testing::Test {
    void write(const log_line& line) {
        static_cast<void>(gate->wait(machine->now() + 10s));
        written.push_back(std::string{line.member} + " " + std::string{line.event});
    }

    std::shared_ptr<runtime::platform> machine = runtime::make_real_platform();
    std::unique_ptr<runtime::gate> gate = machine->make_gate();
    texts written;
    std::shared_ptr<log_queue> queue =
        std::make_shared<log_queue>(machine, "ann", [this](const log_line& line) { write(line); });
};

TEST_F(a_log, that_hangs_holds_up_nobody_and_gets_the_lines_in_order) {
    for (const char* event : {"one", "two", "three"}) {
        queue->add(severity::info, event, "");
    }
    gate->open();
    queue->finish();
    EXPECT_EQ(written, (texts{"ann one", "ann two", "ann three"}));
}

TEST_F(a_log, says_how_many_lines_it_could_not_keep) {
    for (std::size_t i = 0; i < 2 * log_queue::max_waiting + 10; ++i) {
        queue->add(severity::info, "line", "");
    }
    gate->open();
    queue->finish();
    EXPECT_LT(written.size(), 2 * log_queue::max_waiting + 10);
    EXPECT_GE(written.size(), log_queue::max_waiting);
    EXPECT_NE(std::ranges::find(written, "ann log.lost"), written.end());
}

TEST_F(a_log, takes_nothing_once_finished) {
    gate->open();
    queue->finish();
    queue->add(severity::info, "late", "");
    EXPECT_EQ(written, texts{});
}

}  // namespace
}  // namespace muster::detail
