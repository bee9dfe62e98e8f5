// Supervisors on a simulated node.

#include "muster/supervisor.hpp"

#include "process/restart_budget.hpp"
#include "process/stage_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace kept {

struct crash {
    std::string text;
};
struct finish {};

}  // namespace kept

namespace muster {
namespace {

using kept::crash;
using kept::finish;
using texts = std::vector<std::string>;

/// What children have said, and who they are now.
struct diary {
    texts said;
    std::map<std::string, pid> now;
};

/// What was said since the last look, the beginnings in the order of their names: children begin at
/// the same time.
texts since(diary& book) {
    texts said = std::exchange(book.said, {});
    for (auto from = said.begin(); from != said.end();) {
        from = std::find_if(from, said.end(), [](const auto& one) { return one[0] == '+'; });
        const auto to =
            std::find_if(from, said.end(), [](const auto& one) { return one[0] == '-'; });
        std::sort(from, to);
        from = to;
    }
    return said;
}

/// Writes its first and its last moment down.
class presence {
public:
    presence(diary* into, std::string name) : into_{into}, name_{std::move(name)} {
        into_->said.push_back("+" + name_);
    }
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
    ~presence() { into_->said.push_back("-" + name_); }

private:
    diary* into_;
    std::string name_;
};

process child(self me, diary* into, std::string name) {
    into->now[name] = me.pid();
    const presence here{into, name};
    while (auto in = co_await me.receive<crash, finish>()) {
        if (const auto* one = in->get_if<crash>()) {
            throw std::runtime_error{one->body.text};
        }
        co_return;
    }
}

/// Does not end when it is told to.
process stubborn(self me, diary* into, std::string name) {
    me.trap_exits(true);
    into->now[name] = me.pid();
    const presence here{into, name};
    while (auto in = co_await me.receive<finish>()) {
    }
}

process born_ill(self /*me*/) {
    throw std::runtime_error{"born ill"};
    co_return;
}

class a_supervisor : public testing::Test {
protected:
    pid run(supervision how) {
        const pid top = on.host->spawn(supervise, std::move(how));
        on.host->watch(top, [this](const pid&, const exit_reason& why) { ends.push_back(why); });
        on.settle();
        return top;
    }
    void end(const std::string& name, const std::string& text) {
        EXPECT_TRUE(on.host->send(book.now[name], crash{text}));
        on.settle();
    }
    supervision of(const texts& names, restarts how) {
        supervision made;
        made.restart = how;
        for (const auto& name : names) {
            made.child(name, child, &book, name);
        }
        return made;
    }

    diary book;
    std::vector<exit_reason> ends;
    stage on;
};

TEST_F(a_supervisor, starts_its_children_and_each_again_when_it_ends) {
    run(of({"a", "b"}, restarts::one));
    EXPECT_EQ(since(book), (texts{"+a", "+b"}));
    const pid before = book.now["a"];
    end("a", "ouch");
    EXPECT_EQ(since(book), (texts{"-a", "+a"}));
    EXPECT_NE(book.now["a"], before);
    EXPECT_TRUE(on.host->send(book.now["b"], finish{}));
    on.settle();
    EXPECT_EQ(since(book), (texts{"-b", "+b"}));
    EXPECT_EQ(ends, std::vector<exit_reason>{});
}

TEST_F(a_supervisor, of_children_that_need_each_other_ends_the_others_youngest_first) {
    run(of({"a", "b", "c"}, restarts::all));
    book.said.clear();
    end("a", "ouch");
    EXPECT_EQ(since(book), (texts{"-a", "-c", "-b", "+a", "+b", "+c"}));
}

TEST_F(a_supervisor, gives_up_after_so_many_restarts_within_so_long_and_says_why) {
    auto how = of({"a", "b"}, restarts::one);
    how.at_most = 2;
    how.within = 10s;
    run(std::move(how));
    end("a", "one");
    end("b", "two");
    EXPECT_EQ(ends, std::vector<exit_reason>{});
    end("a", "three");
    EXPECT_EQ(ends,
              (std::vector<exit_reason>{
                  {ending::crashed,
                   "gave up: 'a' ended, and 2 restarts within 10 s were used up; it crashed: "
                   "three"}}));
    EXPECT_EQ(on.host->living(), 0U);
    EXPECT_EQ(book.said.back(), "-b");
}

TEST_F(a_supervisor, goes_on_for_ever_where_accidents_are_rare) {
    auto how = of({"a"}, restarts::one);
    how.at_most = 2;
    how.within = 3s;
    run(std::move(how));
    for (int i = 0; i < 20; ++i) {
        end("a", "again");  // A second each.
        on.settle();
    }
    EXPECT_EQ(ends, std::vector<exit_reason>{});
    EXPECT_EQ(book.said.size(), 41U);
}

TEST_F(a_supervisor, hears_the_reason_of_a_child_that_ends_at_its_first_step) {
    supervision how;
    how.child("ill", born_ill);
    run(std::move(how));
    ASSERT_EQ(ends.size(), 1U);
    EXPECT_NE(ends[0].text.find("it crashed: born ill"), std::string::npos) << ends[0].text;
}

TEST_F(a_supervisor, leaves_alone_what_has_returned_where_only_accidents_count) {
    supervision how;
    how.passing_child("a", child, &book, "a");
    how.passing_child("b", child, &book, "b");
    run(std::move(how));
    end("a", "ouch");
    EXPECT_TRUE(on.host->send(book.now["a"], finish{}));
    on.settle();
    EXPECT_EQ(since(book), (texts{"+a", "+b", "-a", "+a", "-a"}));
    EXPECT_TRUE(on.host->send(book.now["b"], finish{}));
    on.settle();
    EXPECT_EQ(ends, (std::vector<exit_reason>{{ending::exited, ""}}));
}

TEST_F(a_supervisor, does_not_begin_anew_what_returned_while_the_others_were_ended) {
    auto how = of({"a"}, restarts::all);
    how.passing_child("passing", child, &book, "passing");
    how.child("deaf", stubborn, &book, "deaf");
    run(std::move(how));
    EXPECT_EQ(since(book), (texts{"+a", "+deaf", "+passing"}));
    end("a", "ouch");  // The youngest is deaf, so that there is time.
    EXPECT_TRUE(on.host->send(book.now["passing"], finish{}));
    on.world.run_for(6s);
    EXPECT_EQ(since(book), (texts{"-a", "-passing", "-deaf", "+a", "+deaf"}));
}

TEST_F(a_supervisor, kills_a_child_that_does_not_end_in_time) {
    auto how = of({"a"}, restarts::all);
    how.patience = 2s;
    how.child("deaf", stubborn, &book, "deaf");
    run(std::move(how));
    end("a", "ouch");
    EXPECT_EQ(since(book), (texts{"+a", "+deaf", "-a"}));
    on.world.run_for(3s);
    EXPECT_EQ(since(book), (texts{"-deaf", "+a", "+deaf"}));
}

TEST_F(a_supervisor, takes_its_children_with_it_however_it_ends) {
    const pid killed = run(of({"a", "b"}, restarts::one));
    on.host->kill(killed);
    on.settle();
    EXPECT_EQ(on.host->living(), 0U);
    const pid told = run(of({"a", "b"}, restarts::one));
    on.host->exit(told, "enough");
    on.settle();
    EXPECT_EQ(on.host->living(), 0U);
    EXPECT_EQ(ends, (std::vector<exit_reason>{{ending::killed, ""}, {ending::exited, "enough"}}));
}

TEST_F(a_supervisor, may_be_the_child_of_another) {
    supervision inner = of({"a"}, restarts::one);
    inner.at_most = 0;
    supervision outer;
    outer.child("inner", supervise, inner);
    run(std::move(outer));
    end("a", "ouch");
    EXPECT_EQ(book.said, (texts{"+a", "-a", "+a"}));
    EXPECT_EQ(on.host->living(), 3U);
}

TEST_F(a_supervisor, ends_with_its_node) {
    run(of({"a", "b"}, restarts::all));
    bool stopped = false;
    on.host->stop(1s, [&] { stopped = true; });
    on.settle();
    EXPECT_TRUE(stopped);
    EXPECT_EQ(on.host->living(), 0U);
}

TEST(a_restart_budget, is_there_again_when_its_time_has_passed) {
    process_detail::restart_budget two{2, 10s};
    EXPECT_TRUE(two.spend(0s));
    EXPECT_TRUE(two.spend(5s));
    EXPECT_FALSE(two.spend(9s));
    EXPECT_TRUE(two.spend(10s));
    EXPECT_FALSE(two.spend(14s));
    EXPECT_TRUE(two.spend(15s));
    process_detail::restart_budget none{0, 10s};
    EXPECT_FALSE(none.spend(1h));
}

}  // namespace
}  // namespace muster
