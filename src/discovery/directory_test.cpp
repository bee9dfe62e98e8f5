// A directory and the keeper in a simulated world.

#include "discovery/directory.hpp"

#include "discovery/service_name.hpp"
#include "runtime/sim/world.hpp"
#include "zookeeper/keeper.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace muster::discovery {
namespace {

using namespace zookeeper;

/// A client that counts what it is asked, and can be that of a server before 3.6, or deaf.
class watched_client final : public client {
public:
    std::unique_ptr<client> real;
    bool is_old = false;
    std::shared_ptr<bool> deaf = std::make_shared<bool>(false);
    int watches = 0;
    int lists = 0;
    int removed = 0;

    [[nodiscard]] session_state state() const override { return real->state(); }
    [[nodiscard]] std::optional<session_ticket> session() const override { return real->session(); }
    [[nodiscard]] std::int64_t last_zxid() const override { return real->last_zxid(); }
    void renew() override { real->renew(); }
    void reconnect(std::string_view why) override { real->reconnect(why); }
    void close(instant deadline, done<nothing> told) override {
        real->close(deadline, std::move(told));
    }
    void create(create_op what, instant deadline, done<created> told) override {
        real->create(std::move(what), deadline, std::move(told));
    }
    void remove(std::string path,
                std::int32_t version,
                instant deadline,
                done<nothing> told) override {
        real->remove(std::move(path), version, deadline, std::move(told));
    }
    void exists(std::string path, on_event watch, instant deadline, done<stat> told) override {
        real->exists(std::move(path), heard(std::move(watch)), deadline, std::move(told));
    }
    void get(std::string path, on_event watch, instant deadline, done<node_data> told) override {
        real->get(std::move(path), std::move(watch), deadline, std::move(told));
    }
    void set(std::string path,
             std::string data,
             std::int32_t version,
             instant deadline,
             done<stat> told) override {
        real->set(std::move(path), std::move(data), version, deadline, std::move(told));
    }
    void children(std::string path,
                  on_event watch,
                  instant deadline,
                  done<node_children> told) override {
        ++lists;
        real->children(std::move(path), heard(std::move(watch)), deadline, std::move(told));
    }
    void multi(std::vector<op> ops, instant deadline, done<std::vector<op_result>> told) override {
        real->multi(std::move(ops), deadline, std::move(told));
    }
    void sync(std::string path, instant deadline, done<nothing> told) override {
        real->sync(std::move(path), deadline, std::move(told));
    }
    void get_acl(std::string path, instant deadline, done<std::pair<acl, stat>> told) override {
        real->get_acl(std::move(path), deadline, std::move(told));
    }
    void set_acl(std::string path,
                 acl access,
                 std::int32_t version,
                 instant deadline,
                 done<stat> told) override {
        real->set_acl(std::move(path), std::move(access), version, deadline, std::move(told));
    }
    void add_auth(std::string scheme,
                  std::string secret,
                  instant deadline,
                  done<nothing> told) override {
        real->add_auth(std::move(scheme), std::move(secret), deadline, std::move(told));
    }
    void add_watch(std::string path,
                   watch_mode mode,
                   on_event watch,
                   instant deadline,
                   done<nothing> told) override {
        if (is_old) {
            // A request that is answered all the same, so that the refusal comes later.
            real->exists("/", {}, deadline, [told = std::move(told)](const reply<stat>&) mutable {
                reply<nothing> no;
                no.how = outcome::refused;
                no.error = zk_error::unimplemented;
                told(std::move(no));
            });
            return;
        }
        ++watches;
        real->add_watch(std::move(path), mode, heard(std::move(watch)), deadline, std::move(told));
    }
    void remove_watches(std::string path,
                        watcher_type which,
                        instant deadline,
                        done<nothing> told) override {
        ++removed;
        real->remove_watches(std::move(path), which, deadline, std::move(told));
    }
    void four_letter(std::string word,
                     instant deadline,
                     callback<result<std::string>> told) override {
        real->four_letter(std::move(word), deadline, std::move(told));
    }

private:
    on_event heard(on_event watch) const {
        if (!watch) {
            return watch;
        }
        return [deaf = deaf, watch = std::move(watch)](const watch_event& what) {
            if (!*deaf) {
                watch(what);
            }
        };
    }
};

const member_id life{1, 1};

std::string child_of(std::uint32_t index) {
    return encode_instance({pid{{2, 2}, "other", index, 1}, "other", "h:1", ""});
}

class a_directory : public testing::Test {
protected:
    void SetUp() override {
        keeper_options options;
        options.listen = {keeper_host.address(), 2181};
        const auto at = keeper_host.make_loop("keeper");
        at->post([this, at, options] { server = std::move(keeper::start(at, options).value()); });
        net.run_for(10ms);
        start({});
        make("/services");
    }
    ~a_directory() override {
        here.kill();
        keeper_host.kill();
        zk.real.reset();
        names->detach();
    }

    void start(directory_settings how) {
        how.services = "/services";
        how.home = {life, "me", "east"};
        how.warn = [this](const std::string& text) { warnings.push_back(text); };
        names = std::make_shared<directory>(loop, std::move(how));
        on_loop([this] {
            names->attach(loop, "me:1", [this](std::set<std::string> paths) {
                ++publishes;
                published = std::move(paths);
            });
            client_options options;
            options.servers = connect_string::parse(keeper_host.address() + ":2181").value();
            zk.real = client::start(loop, options, [this](const session_change& change) {
                if (change.state == session_state::connected) {
                    names->session_began(zk, change.is_new);
                } else {
                    names->session_lost();
                }
            });
        });
        net.run_for(1s);
    }

    void start_anew(directory_settings how) {
        on_loop([this] {
            names->detach();
            zk.real.reset();
        });
        start(std::move(how));
    }

    void on_loop(const std::function<void()>& task) {
        bool ran = false;
        loop->post([&] {
            task();
            ran = true;
        });
        ASSERT_TRUE(net.run_until([&] { return ran; }, net.now() + 1s));
    }
    void make(const std::string& path) {
        on_loop([&] { zk.create({.path = path}, never, [](const auto&) {}); });
        net.run_for(50ms);
    }
    void remove(const std::string& path) {
        on_loop([&] { zk.remove(path, any_version, never, [](const auto&) {}); });
        net.run_for(50ms);
    }
    /// How many instances are found; −1: it was not found.
    int found(const std::string& name) {
        auto answer = names->find(name);
        if (!net.run_until([&] { return answer.is_ready(); }, net.now() + 10s)) {
            return -2;
        }
        const auto got = answer.get();
        return got ? static_cast<int>(got->size()) : -1;
    }

    runtime::sim::world net{5};
    runtime::sim::host& keeper_host{net.add_host("zk")};
    runtime::sim::host& here{net.add_host("here")};
    std::shared_ptr<runtime::loop> loop{here.make_loop("control")};
    std::unique_ptr<keeper> server;
    watched_client zk;
    std::shared_ptr<directory> names;
    std::vector<std::string> warnings;
    std::set<std::string> published;
    int publishes = 0;
};

TEST_F(a_directory, keeps_a_name_current_by_one_watch_and_one_list) {
    EXPECT_EQ(found("a"), 0);
    make("/services/a");
    make("/services/a/" + child_of(1));
    make("/services/a/" + child_of(2));
    EXPECT_EQ(found("a"), 2);
    remove("/services/a/" + child_of(1));
    EXPECT_EQ(found("a"), 1);
    EXPECT_EQ(zk.watches, 1);
    EXPECT_EQ(zk.lists, 1);
}

TEST_F(a_directory, finds_those_who_can_be_reached) {
    bool is_other_here = false;
    directory_settings how;
    how.is_here = [&](const member_id& one) { return one == member_id{2, 2} && is_other_here; };
    start_anew(std::move(how));
    make("/services/a");
    make("/services/a/" + child_of(1));
    EXPECT_EQ(found("a"), 0) << "its member stands in no view yet";
    ASSERT_TRUE(names->add("a", pid{life, "me", 1, 1}, reach::by_prefix));
    EXPECT_EQ(found("a"), 1) << "this node's own are always here";
    is_other_here = true;
    names->lives_changed();
    EXPECT_EQ(found("a"), 2);
    is_other_here = false;
    names->lives_changed();
    EXPECT_EQ(found("a"), 1);
    EXPECT_EQ(zk.lists, 1);
}

TEST_F(a_directory, keeps_a_name_current_where_the_server_has_no_watches_that_stay) {
    zk.is_old = true;
    EXPECT_EQ(found("a"), 0);
    make("/services/a");
    for (std::uint32_t i = 1; i <= 20; ++i) {
        make("/services/a/" + child_of(i));
        EXPECT_EQ(found("a"), static_cast<int>(i));
    }
    remove("/services/a/" + child_of(7));
    EXPECT_EQ(found("a"), 19);
    EXPECT_EQ(zk.watches, 0);
    EXPECT_LT(zk.lists, 50) << "one list for an event";
}

TEST_F(a_directory, converges_when_the_znode_of_a_service_is_deleted_and_made_again) {
    for (const bool old : {false, true}) {
        zk.is_old = old;
        const std::string name = old ? "a" : "b";
        make("/services/" + name);
        make("/services/" + name + "/" + child_of(1));
        EXPECT_EQ(found(name), 1);
        remove("/services/" + name + "/" + child_of(1));
        remove("/services/" + name);
        EXPECT_EQ(found(name), 0);
        make("/services/" + name);
        make("/services/" + name + "/" + child_of(2));
        EXPECT_EQ(found(name), 1);
    }
}

TEST_F(a_directory, makes_a_lost_event_good_within_a_minute) {
    make("/services/a");
    EXPECT_EQ(found("a"), 0);
    *zk.deaf = true;
    make("/services/a/" + child_of(1));
    EXPECT_EQ(found("a"), 0);
    net.run_for(61s);
    EXPECT_EQ(found("a"), 1);
}

TEST_F(a_directory, passes_over_what_is_no_instance_and_says_so_once) {
    make("/services/a");
    make("/services/a/strange");
    make("/services/a/" + child_of(1));
    EXPECT_EQ(found("a"), 1);
    net.run_for(200s);
    EXPECT_EQ(found("a"), 1);
    EXPECT_EQ(warnings.size(), 1U);
}

TEST_F(a_directory, lists_again_after_each_new_connection) {
    make("/services/a");
    EXPECT_EQ(found("a"), 0);
    const int before = zk.lists;
    net.break_connections(here, keeper_host);
    net.run_for(5s);
    EXPECT_EQ(zk.lists, before + 1);
    EXPECT_EQ(zk.watches, 1) << "the session has kept its watch";
    make("/services/a/" + child_of(1));
    EXPECT_EQ(found("a"), 1);
}

TEST_F(a_directory, tells_what_is_published_once_for_many_registered_at_once) {
    directory_settings small;
    small.most_bytes = std::size_t{32} << 10U;
    start_anew(std::move(small));
    on_loop([this] { names->publish_own(); });
    publishes = 0;
    for (std::uint32_t i = 1; i <= 100; ++i) {
        ASSERT_TRUE(names->add("a", {life, "me", i, 1}, reach::by_prefix));
    }
    net.run_for(1s);
    EXPECT_EQ(publishes, 1);
    EXPECT_EQ(published.size(), 100U);
    EXPECT_EQ(found("a"), 100);
    std::size_t more = 100;
    while (
        names->add("a", {life, "me", static_cast<std::uint32_t>(more + 1), 1}, reach::by_prefix)) {
        ++more;
    }
    net.run_for(1s);
    std::size_t bytes = 0;
    for (const auto& path : published) {
        bytes += path.size();
    }
    EXPECT_EQ(published.size(), more);
    EXPECT_LT(bytes, std::size_t{32} << 10U);
    EXPECT_GT(bytes, std::size_t{16} << 10U);
    for (std::uint32_t i = 1; i <= more; ++i) {
        names->remove("a", {life, "me", i, 1});
    }
    net.run_for(1s);
    EXPECT_TRUE(published.empty());
    EXPECT_EQ(found("a"), 0);
}

TEST_F(a_directory, drops_the_least_recently_used_services_and_their_watches) {
    directory_settings small;
    small.most = 3;
    start_anew(std::move(small));
    for (const char* const name : {"a", "b", "c"}) {
        EXPECT_EQ(found(name), 0);
    }
    EXPECT_EQ(zk.removed, 0);
    EXPECT_EQ(found("a"), 0);  // So that b is the oldest.
    EXPECT_EQ(found("d"), 0);
    net.run_for(1s);
    EXPECT_EQ(zk.removed, 1);
    const int lists = zk.lists;
    EXPECT_EQ(found("a"), 0);
    EXPECT_EQ(found("c"), 0);
    EXPECT_EQ(zk.lists, lists);
    EXPECT_EQ(found("b"), 0);
    EXPECT_EQ(zk.lists, lists + 1);
}

/// A thread that looks a name up whenever it is told to. Until then it keeps what it found before.
class looker {
public:
    explicit looker(std::shared_ptr<directory> names)
        : names_{std::move(names)}, thread_{[this] { work(); }} {}
    looker(const looker&) = delete;
    looker& operator=(const looker&) = delete;
    ~looker() {
        name_.clear();
        turn_.arrive_and_wait();
        thread_.join();
    }

    /// How many instances that thread finds at once; nothing: it has to wait.
    std::optional<std::size_t> find(const std::string& name) {
        name_ = name;
        turn_.arrive_and_wait();
        turn_.arrive_and_wait();
        return found_;
    }
    void let_go() { kept_ = {}; }

private:
    void work() {
        for (turn_.arrive_and_wait(); !name_.empty(); turn_.arrive_and_wait()) {
            auto answer = names_->find(name_);
            found_.reset();
            if (answer.is_ready()) {
                const auto got = answer.get();
                found_ = got ? std::optional{got->size()} : std::nullopt;
                kept_ = got.value_or(instances{});
            }
            turn_.arrive_and_wait();
        }
    }

    std::shared_ptr<directory> names_;
    std::string name_;
    std::optional<std::size_t> found_;
    instances kept_;
    std::barrier<> turn_{2};
    std::thread thread_;
};

TEST_F(a_directory, shows_each_thread_at_its_next_look_what_was_registered_and_taken_back) {
    looker one{names};
    looker other{names};
    EXPECT_EQ(found("a"), 0);
    for (std::uint32_t i = 0; i < 50; ++i) {
        EXPECT_EQ(one.find("a"), 0U);
        EXPECT_EQ(other.find("a"), 0U);
        const pid mine{life, "me", i, 1};
        ASSERT_TRUE(names->add("a", mine, reach::everywhere));
        EXPECT_EQ(one.find("a"), 1U);
        EXPECT_EQ(found("a"), 1);
        EXPECT_EQ(other.find("a"), 1U);
        ASSERT_TRUE(names->remove("a", mine));
    }
    ASSERT_TRUE(names->add("a", {life, "me", 1, 1}, reach::everywhere));
    EXPECT_EQ(one.find("a"), 1U);
    names->forget({life, "me", 1, 1});
    EXPECT_EQ(one.find("a"), 0U);
}

TEST_F(a_directory, shows_each_thread_what_zookeeper_has_said) {
    make("/services/a");
    EXPECT_EQ(found("a"), 0);
    looker one{names};
    looker other{names};
    for (std::uint32_t i = 1; i <= 5; ++i) {
        EXPECT_EQ(one.find("a"), i - 1);
        make("/services/a/" + child_of(i));
        EXPECT_EQ(one.find("a"), i);
        EXPECT_EQ(other.find("a"), i);
    }
}

TEST_F(a_directory, remembers_nothing_of_a_service_that_is_not_kept_current_any_more) {
    directory_settings small;
    small.most = 2;
    start_anew(std::move(small));
    looker one{names};
    EXPECT_EQ(found("a"), 0);
    EXPECT_EQ(one.find("a"), 0U);
    EXPECT_EQ(found("b"), 0);
    EXPECT_EQ(found("c"), 0);
    EXPECT_EQ(one.find("a"), std::nullopt) << "it is read anew";
    net.run_for(1s);
    EXPECT_EQ(one.find("a"), 0U);
}

TEST_F(a_directory, takes_for_used_what_a_thread_finds_in_its_memory) {
    directory_settings small;
    small.most = 4;
    start_anew(std::move(small));
    for (const char* const name : {"a", "b", "c"}) {
        EXPECT_EQ(found(name), 0);
    }
    on_loop([this] { names->session_lost(); });
    looker one{names};
    EXPECT_EQ(one.find("a"), 0U);
    EXPECT_EQ(one.find("d"), std::nullopt);
    net.run_for(10ms);
    EXPECT_EQ(one.find("a"), 0U) << "used after c was";
    EXPECT_EQ(one.find("e"), std::nullopt) << "in the place of b";
    net.run_for(10ms);
    EXPECT_EQ(one.find("f"), std::nullopt) << "in the place of c";
    net.run_for(10ms);
    EXPECT_EQ(one.find("a"), 0U);
    EXPECT_EQ(one.find("c"), std::nullopt);
}

TEST_F(a_directory, is_not_taken_for_another_one_by_a_thread_that_asks_both) {
    EXPECT_EQ(found("a"), 0);
    directory_settings how;
    how.services = "/elsewhere";
    how.home = {life, "me", "east"};
    const auto second = std::make_shared<directory>(loop, std::move(how));
    ASSERT_TRUE(second->add("a", {life, "me", 1, 1}, reach::everywhere));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(found("a"), 0);
        auto answer = second->find("a");
        ASSERT_TRUE(answer.is_ready());
        EXPECT_EQ(answer.get()->size(), 1U);
    }
}

TEST_F(a_directory, is_right_about_more_names_than_a_thread_remembers) {
    std::vector<std::string> all;
    for (std::uint32_t i = 0; i < 600; ++i) {
        const std::string number = std::to_string(i / 2);
        all.push_back(i % 2 == 0 ? number : "service " + number + " of that kind");
        for (std::uint32_t j = 0; j <= i % 3; ++j) {
            ASSERT_TRUE(names->add(all[i], {life, "me", i, j + 1}, reach::everywhere));
        }
        ASSERT_EQ(found(all[i]), static_cast<int>(i % 3 + 1));
    }
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            ASSERT_EQ(found(all[i]), static_cast<int>(i % 3 + 1)) << all[i];
        }
    }
}

TEST_F(a_directory, tells_names_apart_that_begin_and_end_alike) {
    const std::vector<std::string> all{"",
                                       "a",
                                       "aa",
                                       "service one here",
                                       "service two here",
                                       "service - two - right here",
                                       "service - one - right here"};
    for (int round = 0; round < 3; ++round) {
        for (std::uint32_t i = 1; i < all.size(); ++i) {
            if (round == 0) {
                for (std::uint32_t j = 0; j < i; ++j) {
                    ASSERT_TRUE(names->add(all[i], {life, "me", i, j + 1}, reach::everywhere));
                }
            }
            EXPECT_EQ(found(all[i]), static_cast<int>(i)) << all[i];
        }
        EXPECT_EQ(found(""), -1);
    }
}

TEST_F(a_directory, lets_go_of_a_picture_though_a_thread_that_found_it_sleeps) {
    EXPECT_EQ(found("a"), 0);
    looker sleeper{names};
    EXPECT_EQ(sleeper.find("a"), 0U);
    ASSERT_TRUE(names->add("a", {life, "me", 1, 1}, reach::everywhere));
    EXPECT_EQ(sleeper.find("a"), 1U);
    sleeper.let_go();
    const long held = loop.use_count();
    names->forget({life, "me", 1, 1});
    EXPECT_EQ(found("a"), 0);
    EXPECT_EQ(loop.use_count(), held) << "one picture, as before: each holds the loop";
}

}  // namespace
}  // namespace muster::discovery
