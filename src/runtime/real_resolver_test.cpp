#include "runtime/real_resolver.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace muster::runtime::real {
namespace {

/// A system whose look-ups of "hanging" do not return until they are let go.
class real_resolver : public testing::Test {
protected:
    ~real_resolver() override { let_go(); }

    std::shared_ptr<look_up> ask(const std::string& host, std::uint16_t port = 1) {
        auto job = std::make_shared<look_up>();
        job->name = {host, port};
        job->done = [state = state_](resolved found) {
            const std::lock_guard lock{state->mutex};
            state->answers.push_back(found ? found->front().text() : found.error().text);
            state->changed.notify_all();
        };
        names_.start(job);
        return job;
    }
    /// Waits until so many have been answered.
    std::vector<std::string> answers(std::size_t count) {
        std::unique_lock lock{state_->mutex};
        state_->changed.wait_for(
            lock, std::chrono::seconds{30}, [&] { return state_->answers.size() >= count; });
        return state_->answers;
    }
    void wait_for_look_ups(const std::string& host, int count) {
        std::unique_lock lock{state_->mutex};
        state_->changed.wait_for(
            lock, std::chrono::seconds{30}, [&] { return state_->asked[host] >= count; });
    }
    void let_go() {
        const std::lock_guard lock{state_->mutex};
        state_->hangs = false;
        state_->changed.notify_all();
    }
    int look_ups_of(const std::string& host) {
        const std::lock_guard lock{state_->mutex};
        return state_->asked[host];
    }

private:
    struct shared {
        std::mutex mutex;
        std::condition_variable changed;
        bool hangs = true;
        std::map<std::string, int> asked;
        std::vector<std::string> answers;
    };
    std::shared_ptr<shared> state_ = std::make_shared<shared>();
    resolver names_{[state = state_](const host_port& name) -> resolved {
        std::unique_lock lock{state->mutex};
        ++state->asked[name.host];
        state->changed.notify_all();
        if (name.host == "hanging") {
            state->changed.wait(lock, [&] { return !state->hangs; });
        }
        return std::vector<endpoint>{{"10.0.0.1", name.port}};
    }};
};

TEST_F(real_resolver, a_name_that_hangs_holds_up_no_other_however_often_it_is_asked_for) {
    for (int i = 0; i < 3 * resolver::max_threads; ++i) {
        ask("hanging");
    }
    ask("sound", 7);
    EXPECT_EQ(answers(1), std::vector<std::string>{"10.0.0.1:7"});
    EXPECT_EQ(look_ups_of("hanging"), 1);
}

TEST_F(real_resolver, all_who_ask_for_a_name_share_its_outcome_each_with_its_own_port) {
    ask("hanging", 1);
    wait_for_look_ups("hanging", 1);
    ask("hanging", 2);
    ask("hanging", 3)->abandoned = true;
    let_go();
    EXPECT_EQ(answers(2), (std::vector<std::string>{"10.0.0.1:1", "10.0.0.1:2"}));
    ask("hanging", 4);
    EXPECT_EQ(answers(3).back(), "10.0.0.1:4") << "an answer is not kept";
    EXPECT_EQ(look_ups_of("hanging"), 2);
}

}  // namespace
}  // namespace muster::runtime::real
