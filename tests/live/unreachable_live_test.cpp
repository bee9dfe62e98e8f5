// What `muster` says where a server listed is none, or does not answer.

#include "live/keeper_room.hpp"
#include "live/silent_port.hpp"

#include <string>
#include <utility>
#include <vector>

namespace muster::live {
namespace {

class wrong_servers : public agents_on_a_keeper {
protected:
    /// Exit code and output of a verb that looks for ZooKeeper at `servers`.
    std::pair<int, std::string> ask_at(const std::string& servers, std::vector<std::string> words) {
        const std::string good = std::exchange(address_, servers);
        auto said = ask(std::move(words));
        address_ = good;
        return said;
    }

    /// Python's web server, and where it is.
    std::string start_web_server() {
        web_ = std::make_unique<child_process>(
            std::vector<std::string>{
                "/bin/sh",
                "-c",
                "exec python3 -u -m http.server 0 --bind 127.0.0.1 --directory " +
                    folder_.string()},
            folder_ / "web");
        const std::string before = "port ";
        EXPECT_TRUE(until([&] { return web_->printed().contains("http://"); }, 20s));
        const std::string said = web_->printed();
        const auto at = said.find(before) + before.size();
        return "127.0.0.1:" + said.substr(at, said.find(' ', at) - at);
    }

    std::unique_ptr<child_process> web_;
};

TEST_F(wrong_servers, a_web_server_is_called_one) {
    const std::string web = start_web_server();
    const auto [looked, seen] = ask_at(web, {"status", "--timeout", "2s"});
    EXPECT_EQ(looked, 3) << seen;
    EXPECT_TRUE(seen.contains(web + ": a web server, not a ZooKeeper server")) << seen;
    EXPECT_TRUE(seen.contains("the port is another program's")) << seen;
    const auto [stood, said] = ask_at(web, {"elect", "job", "--timeout", "2s", "--", "true"});
    EXPECT_EQ(stood, 4) << said;
    EXPECT_TRUE(said.contains(web + ": a web server, not a ZooKeeper server")) << said;
}

TEST_F(wrong_servers, that_are_silent_do_not_hide_the_one_that_serves) {
    const silent_port one;
    const silent_port other;
    // In any order: servers are tried in a random one.
    const std::string all = one.address() + "," + other.address() + "," + address_;
    for (int i = 0; i < 6; ++i) {
        std::vector<std::string> words{"members"};
        if (i >= 4) {
            words = {"ask", "jobs", "get", R"({"key":"a"})"};
        }
        words.insert(words.end(), {"--timeout", "2s"});
        const auto [code, said] = ask_at(all, std::move(words));
        EXPECT_EQ(code, 1) << said;
        EXPECT_TRUE(said.contains("MUS0601")) << said;
    }
}

TEST_F(wrong_servers, are_each_told_of_with_a_reason) {
    const silent_port silent;
    const std::string web = start_web_server();
    const auto [code, said] =
        ask_at(silent.address() + "," + web + ",127.0.0.1:1", {"status", "--timeout", "3s"});
    EXPECT_EQ(code, 3) << said;
    EXPECT_TRUE(said.contains(silent.address() + ": it accepts connections, but does not answer"))
        << said;
    EXPECT_TRUE(said.contains(web + ": a web server, not a ZooKeeper server")) << said;
    EXPECT_TRUE(said.contains("127.0.0.1:1: ")) << said;
    EXPECT_TRUE(said.contains("refused")) << said;
}

}  // namespace
}  // namespace muster::live
