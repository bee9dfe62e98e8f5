// examples/boss, each part of it a process of its own.

#include "live/keeper_room.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muster::live {
namespace {

class the_boss : public agents_on_a_keeper {
protected:
    std::unique_ptr<child_process> run(const std::string& name,
                                       const std::vector<std::string>& words) {
        // Settings come from the environment, as an operator of the example would give them.
        std::vector<std::string> all{"/usr/bin/env",
                                     "MUSTER_ZOOKEEPER=" + address_,
                                     "MUSTER_NAME=" + name,
                                     "MUSTER_SESSION_TIMEOUT=2s",
                                     BOSS_PROGRAM};
        all.insert(all.end(), words.begin(), words.end());
        return std::make_unique<child_process>(all, folder_ / (name + ".log"));
    }
    void start(const std::string& name) { members_[name] = run(name, {}); }
    /// What somebody with that job is told, and whether it was done.
    std::pair<int, std::string> give(const std::string& job) {
        auto giver = run("giver" + std::to_string(givers_++), {job});
        const auto code = giver->wait(30s);
        return {code.value_or(-1), giver->printed()};
    }
    [[nodiscard]] std::string done_by(const std::string& job) {
        const auto [code, said] = give(job);
        const std::string begin = job + ", done by ";
        return code == 0 && said.starts_with(begin)
                   ? said.substr(begin.size(), said.find('\n') - begin.size())
                   : "nobody: " + said;
    }
    /// Who owns the right to be boss.
    [[nodiscard]] std::string boss_name() {
        const auto said = ask({"route", "globals", "boss", "--cluster", "jobs", "-o", "name"});
        return said.second.substr(0, said.second.find('\n'));
    }
    void TearDown() override {
        for (auto& [name, one] : members_) {
            one->terminate();
            EXPECT_TRUE(one->wait(20s).has_value());
        }
        members_.clear();
        agents_on_a_keeper::TearDown();
    }

    std::map<std::string, std::unique_ptr<child_process>> members_;
    int givers_ = 0;
};

TEST_F(the_boss, hands_the_jobs_round_and_is_followed_by_another_when_it_is_killed) {
    for (const char* name : {"ann", "bob", "eve"}) {
        start(name);
    }
    ASSERT_TRUE(until(
        [&] {
            return ask({"members", "--cluster", "jobs", "-o", "name"}).second == "ann\nbob\neve\n";
        },
        20s));
    // All workers take part, one after the other.
    ASSERT_TRUE(until([&] { return done_by("warm up").find("nobody") == std::string::npos; }, 20s));
    std::multiset<std::string> hands;
    for (int i = 0; i < 6; ++i) {
        hands.insert(done_by("sweep"));
    }
    EXPECT_EQ(hands, (std::multiset<std::string>{"ann", "ann", "bob", "bob", "eve", "eve"}));

    // Anybody may send to it by name.
    EXPECT_EQ(ask({"send", "--cluster", "jobs", "boss", "job", R"({"text":"by hand"})"}).first, 0);
    EXPECT_EQ(ask({"send", "--cluster", "jobs", "bos", "job", R"({"text":"by hand"})"}).first, 1);

    // Whoever is boss is killed; two are left, and one of them is boss.
    const std::string boss = boss_name();
    ASSERT_TRUE(members_.contains(boss)) << boss;
    members_.at(boss)->kill();
    members_.erase(boss);
    ASSERT_TRUE(until([&] { return members_.contains(done_by("go on")); }, 60s));
    const std::string next = boss_name();
    EXPECT_NE(next, boss);
    EXPECT_TRUE(members_.contains(next)) << next;
}

}  // namespace
}  // namespace muster::live
