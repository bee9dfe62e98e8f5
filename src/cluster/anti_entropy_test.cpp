// What is learnt though the event that should have told of it got lost.

#include "cluster/handoff/agent.hpp"
#include "cluster/leader/book_keeper.hpp"
#include "cluster/member_fixture_test.hpp"

namespace muster::cluster {
namespace {

using zookeeper::reply;

/// Sets no watch on data and existence; else it is the client it stands in front of.
class deaf_client final : public zookeeper::client {
public:
    explicit deaf_client(zookeeper::client& behind) : zk_{behind} {}

    void exists(std::string path,
                on_event /*watch*/,
                instant deadline,
                done<zookeeper::stat> then) override {
        zk_.exists(std::move(path), {}, deadline, std::move(then));
    }
    void get(std::string path,
             on_event /*watch*/,
             instant deadline,
             done<zookeeper::node_data> then) override {
        zk_.get(std::move(path), {}, deadline, std::move(then));
    }

    [[nodiscard]] zookeeper::session_state state() const override { return zk_.state(); }
    [[nodiscard]] std::optional<zookeeper::session_ticket> session() const override {
        return zk_.session();
    }
    [[nodiscard]] std::int64_t last_zxid() const override { return zk_.last_zxid(); }
    void renew() override { zk_.renew(); }
    void reconnect(std::string_view why) override { zk_.reconnect(why); }
    void close(instant deadline, done<zookeeper::nothing> then) override {
        zk_.close(deadline, std::move(then));
    }
    void create(zookeeper::create_op what,
                instant deadline,
                done<zookeeper::created> then) override {
        zk_.create(std::move(what), deadline, std::move(then));
    }
    void remove(std::string path,
                std::int32_t version,
                instant deadline,
                done<zookeeper::nothing> then) override {
        zk_.remove(std::move(path), version, deadline, std::move(then));
    }
    void set(std::string path,
             std::string data,
             std::int32_t version,
             instant deadline,
             done<zookeeper::stat> then) override {
        zk_.set(std::move(path), std::move(data), version, deadline, std::move(then));
    }
    void children(std::string path,
                  on_event watch,
                  instant deadline,
                  done<zookeeper::node_children> then) override {
        zk_.children(std::move(path), std::move(watch), deadline, std::move(then));
    }
    void multi(std::vector<zookeeper::op> ops,
               instant deadline,
               done<std::vector<zookeeper::op_result>> then) override {
        zk_.multi(std::move(ops), deadline, std::move(then));
    }
    void sync(std::string path, instant deadline, done<zookeeper::nothing> then) override {
        zk_.sync(std::move(path), deadline, std::move(then));
    }
    void get_acl(std::string path,
                 instant deadline,
                 done<std::pair<zookeeper::acl, zookeeper::stat>> then) override {
        zk_.get_acl(std::move(path), deadline, std::move(then));
    }
    void set_acl(std::string path,
                 zookeeper::acl access,
                 std::int32_t version,
                 instant deadline,
                 done<zookeeper::stat> then) override {
        zk_.set_acl(std::move(path), std::move(access), version, deadline, std::move(then));
    }
    void add_auth(std::string scheme,
                  std::string credentials,
                  instant deadline,
                  done<zookeeper::nothing> then) override {
        zk_.add_auth(std::move(scheme), std::move(credentials), deadline, std::move(then));
    }
    void add_watch(std::string path,
                   zookeeper::watch_mode mode,
                   on_event watch,
                   instant deadline,
                   done<zookeeper::nothing> then) override {
        zk_.add_watch(std::move(path), mode, std::move(watch), deadline, std::move(then));
    }
    void remove_watches(std::string path,
                        zookeeper::watcher_type which,
                        instant deadline,
                        done<zookeeper::nothing> then) override {
        zk_.remove_watches(std::move(path), which, deadline, std::move(then));
    }
    void four_letter(std::string word,
                     instant deadline,
                     callback<result<std::string>> then) override {
        zk_.four_letter(std::move(word), deadline, std::move(then));
    }

private:
    zookeeper::client& zk_;
};

/// Agents of a member that hears of nothing by itself, on the operator's machine.
class anti_entropy : public member_test {
protected:
    void SetUp() override {
        start_keeper();
        seen = &start("seen", {{"work", hash_of(1)}});
        ASSERT_TRUE(wait_owned(*seen, "work", 1));
        deaf.emplace(*zk);
        at.emplace(session_context{operator_loop, *operator_loop, *deaf, where, settings, self});
    }

    void here(const std::function<void()>& what) {
        bool ran = false;
        operator_loop->post([&] {
            what();
            ran = true;
        });
        wait([&] { return ran; }, 1s);
    }

    node* seen = nullptr;
    member_settings settings;
    const member_id self{9, 9};
    std::optional<deaf_client> deaf;
    std::optional<session_context> at;
};

TEST_F(anti_entropy, a_leader_reads_the_statuses_again) {
    std::optional<book_keeper> keeper;
    here([&] { keeper.emplace(*at, [] {}); });
    ASSERT_TRUE(wait([&] { return keeper->complete(); }));
    const member_id who = seen->self->id();
    const auto said = [&] { return keeper->book().members.at(who).status->state; };
    EXPECT_EQ(said(), lifecycle::online);
    on(*seen, [](node& one) { one.self->suspect_itself(true); });
    net.run_for(1s);
    EXPECT_EQ(said(), lifecycle::online) << "nobody told it";
    here([&] { keeper->look_again(); });
    net.run_for(100ms);
    EXPECT_EQ(said(), lifecycle::suspect);
    here([&] { keeper.reset(); });
}

TEST_F(anti_entropy, a_leader_looks_whether_plans_are_there_and_specifications_as_they_were) {
    std::optional<book_keeper> keeper;
    here([&] { keeper.emplace(*at, [] {}); });
    ASSERT_TRUE(wait([&] { return keeper->complete(); }));
    const auto work = [&]() -> const book_resource& { return keeper->book().resources.at("work"); };
    EXPECT_FALSE(work().lost);
    specification removed = hash_of(1);
    removed.tombstone = true;
    write({zookeeper::set_op{where.resource("work"), encode(removed), zookeeper::any_version}});
    here([&] { keeper->look_again(); });
    net.run_for(100ms);
    EXPECT_TRUE(work().spec.tombstone);
    EXPECT_FALSE(work().unread);
    EXPECT_EQ(work().whole.chunks.size(), 1U);
    here([&] { keeper.reset(); });
}

TEST_F(anti_entropy, a_leader_finds_a_damaged_view_and_makes_it_anew) {
    const std::string chunk = where.view_chunk(0);
    const auto number = [&] {
        const auto head = decode<view_head>(read(where.view()).value.data, where.view());
        return head ? head->number : 0;
    };
    for (const std::string& path : {chunk, where.view()}) {
        const std::int64_t before = number();
        write({zookeeper::set_op{path, "rubbish", zookeeper::any_version}});
        net.run_for(65s);
        const auto mended = decode<view_chunk>(read(chunk).value.data, chunk);
        ASSERT_TRUE(mended) << mended.error().text;
        ASSERT_EQ(mended->members.size(), 1U);
        EXPECT_EQ(mended->members.front().id, seen->self->id());
        EXPECT_GT(number(), before);
    }
    EXPECT_EQ(seen->app->view->members.size(), 1U);
    EXPECT_EQ(seen->app->count("work"), 1U);
}

TEST_F(anti_entropy, a_successor_reads_those_it_waits_for_again) {
    const auto app = std::make_shared<application>();
    std::optional<status_agent> status;
    std::optional<holder_agent> holder;
    const auto cell = std::make_shared<lease_cell>();
    cell->set(net.now() + 3600s);
    here([&] {
        status.emplace(*at, status_record{}, [](const status_record&) {});
        holder.emplace(
            *at, "work", hash_of(1), cell, *status, app, [](const right::identity&) {}, [] {});
        plan whole = first_plan(hash_of(1), 1000);
        entry& one = whole.chunks[0].entries[0];
        one.owner = self;
        one.fence = 1000;
        one.waits = {seen->self->id()};
        holder->may_act(true);
        holder->plan_seen(whole);
    });
    net.run_for(1s);
    EXPECT_EQ(app->count("work"), 0U);
    seen->machine->kill();
    net.run_for(5s);
    EXPECT_EQ(app->count("work"), 0U) << "nobody told it";
    here([&] { holder->look_again(); });
    EXPECT_TRUE(wait([&] { return app->count("work") == 1; }, 1s));
    here([&] {
        holder.reset();
        status.reset();
    });
}

}  // namespace
}  // namespace muster::cluster
