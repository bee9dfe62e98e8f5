#include "agent_host.hpp"

#include "runtime/real.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace muster::cli {
namespace {

constexpr member_id other{7, 7};

/// An agent's host on a loop of its own, without a member: what it is told, it is told by a test.
class lone_host {
public:
    lone_host() {
        on([this] {
            host_ = std::make_shared<agent_host>(
                loop_,
                "a",
                ground_,
                *book_,
                agent_host::hooks{.give_up = {},
                                  .log = [this](verbosity,
                                                std::string_view,
                                                const std::string& text) { said += text + "\n"; },
                                  .told = {}});
        });
    }
    ~lone_host() {
        on([this] {
            host_->detach();
            host_.reset();
        });
        loop_->stop();
        book_.reset();
        std::filesystem::remove(file_);
    }
    lone_host(const lone_host&) = delete;
    lone_host& operator=(const lone_host&) = delete;

    void sees_a_view() {
        on([this] {
            auto view = std::make_shared<cluster::view_snapshot>();
            view->number = 7;
            cluster::view_snapshot::item one;
            one.id = other;
            one.described.name = "a";
            one.described.address = "10.0.0.1:7000";
            one.described.metadata = {{"host", "big"}, {"pid", "71"}};
            view->members = {one};
            host_->view_changed(view);
        });
    }
    void ends() {
        const std::shared_ptr<runtime::gate> written = ground_->make_gate();
        on([&] { host_->end_journal([written] { written->open(); }); });
        static_cast<void>(written->wait(never));
    }
    /// Until timers set by now have rung.
    void rests() {
        const std::shared_ptr<runtime::gate> rung = ground_->make_gate();
        std::unique_ptr<runtime::timer> bell;
        on([&] {
            bell = loop_->make_timer();
            bell->set(loop_->now() + 200ms, [rung] { rung->open(); });
        });
        static_cast<void>(rung->wait(never));
        on([&] { bell.reset(); });
    }
    /// The events of the journal, in order.
    std::vector<std::string> journalled() {
        book_.reset();
        std::vector<std::string> events;
        std::ifstream in{file_};
        for (std::string line; std::getline(in, line);) {
            events.emplace_back(boost::json::parse(line).at("event").as_string());
        }
        return events;
    }

    std::string said;

private:
    template <class F>
    void on(F job) {
        const std::shared_ptr<runtime::gate> done = ground_->make_gate();
        loop_->post([&] {
            job();
            done->open();
        });
        static_cast<void>(done->wait(never));
    }

    std::shared_ptr<runtime::platform> ground_ = runtime::make_real_platform();
    std::shared_ptr<runtime::loop> loop_ = ground_->make_loop("host");
    std::filesystem::path file_ = std::filesystem::temp_directory_path() /
                                  ("muster-host-" + std::to_string(::getpid()) + ".jsonl");
    std::unique_ptr<journal> book_ = journal::open(file_.string(), ground_).value();
    std::shared_ptr<agent_host> host_;
};

TEST(journals_of_agents, end_with_their_exit_even_where_a_view_had_just_come) {
    lone_host here;
    here.sees_a_view();
    here.ends();
    here.rests();
    EXPECT_EQ(here.journalled(), (std::vector<std::string>{"start", "view", "exit"}));
}

TEST(agents, that_find_their_name_taken_say_by_whom) {
    lone_host here;
    here.sees_a_view();
    EXPECT_EQ(here.said,
              "the name a is taken by the member with id " + other.text() +
                  ", pid 71 on big, at 10.0.0.1:7000; waiting in Joining until it is gone\n");
}

}  // namespace
}  // namespace muster::cli
