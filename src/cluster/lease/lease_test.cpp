#include "cluster/lease/lease.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace muster::cluster {
namespace {

using ms = std::chrono::milliseconds;

instant at(std::int64_t milliseconds) {
    return instant{ms{milliseconds}};
}

/// Clocks that are exact, so that the figures in the tests are round.
lease_settings exact() {
    lease_settings settings;
    settings.client_slew_ppm = 0;
    settings.server_slew_ppm = 0;
    return settings;
}

constexpr ms t{28'000};  // 2 (S + 2) tick, with the settings' tick of 2 s and S of 5

TEST(lease, rho_is_that_of_the_declared_slews) {
    EXPECT_NEAR(lease_settings{}.rho(), 0.155, 0.001);
    lease_settings declared;
    declared.client_slew_ppm = 500;
    declared.server_slew_ppm = 500;
    EXPECT_NEAR(declared.rho(), 0.001, 0.0001);
    EXPECT_EQ(exact().rho(), 0);
}

TEST(lease, intervals_and_timeouts_follow_from_tick_and_sync_limit) {
    const lease_settings settings;
    EXPECT_EQ(settings.leader_gap(), 1100ms);
    EXPECT_EQ(ping_interval(settings), 500ms);
    EXPECT_EQ(heartbeat_interval(t), 3500ms);
    EXPECT_EQ(reattach_after(t), 3500ms);
    EXPECT_EQ(reattach_after(ms{800}), 250ms);
    EXPECT_EQ(safe_session_timeout(settings, false), t);
    EXPECT_EQ(least_session_timeout(settings, false), ms{14'000});
    EXPECT_EQ(safe_session_timeout(settings, true), ms{4000});
    EXPECT_EQ(least_session_timeout(settings, true), ms{4000});
    EXPECT_EQ(safe_session_timeout({.tick = ms{500}}, true), ms{4000});
    EXPECT_EQ(safe_session_timeout({.tick = ms{500}}, false), ms{7000});
}

TEST(lease, there_is_none_before_the_first_handshake) {
    lease one{exact()};
    one.answered(at(1), at(2));
    one.confirmed(at(3), at(4));
    EXPECT_EQ(one.end(), std::nullopt);
    EXPECT_FALSE(one.may_act(at(5)));
    EXPECT_EQ(one.acts_until(), instant::min());
}

TEST(lease, the_handshake_is_an_anchor) {
    lease one{exact()};
    one.attached(at(1000), at(1500), t);
    EXPECT_EQ(one.end(), at(1000 + 28'000 - 10));
    EXPECT_EQ(one.acts_until(), at(1000 + 28'000 - 60));
    EXPECT_TRUE(one.may_act(at(28'939)));
    EXPECT_FALSE(one.may_act(at(28'940)));
}

TEST(lease, slew_shortens_it) {
    lease one{lease_settings{}};
    one.attached(at(0), at(1), t);
    EXPECT_LT(*one.end(), at(23'670));
    EXPECT_GT(*one.end(), at(23'630));
}

TEST(lease, a_timeout_that_no_server_may_offer_gives_none) {
    for (const ms timeout : {ms{0}, ms{-1}}) {
        lease one{exact()};
        one.attached(at(0), at(1), timeout);
        EXPECT_EQ(one.end(), std::nullopt);
    }
}

TEST(lease, pings_alone_prove_nothing) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    for (int i = 1; i < 40; ++i) {
        one.answered(at(i * 500), at(i * 500 + 2));
    }
    EXPECT_EQ(one.end(), at(27'990));
}

TEST(lease, one_quorum_write_alone_proves_nothing_either) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    one.answered(at(500), at(502));
    one.answered(at(1000), at(1002));
    one.confirmed(at(9000), at(9010));
    EXPECT_EQ(one.end(), at(27'990));
}

TEST(lease, two_quorum_writes_prove_the_request_before_the_last_one_a_gap_ahead_of_the_first) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    one.answered(at(500), at(502));    // j
    one.answered(at(1000), at(1002));  // j + 1
    one.answered(at(1500), at(1502));  // less than G before m
    one.confirmed(at(2102), at(2110));
    one.confirmed(at(2200), at(2210));
    EXPECT_EQ(one.end(), at(500 + 27'990));
}

TEST(lease, a_quorum_write_sent_before_the_first_was_answered_does_not_count) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    one.answered(at(500), at(502));
    one.answered(at(1000), at(1002));
    one.confirmed(at(2102), at(2110));
    one.confirmed(at(2109), at(2115));
    EXPECT_EQ(one.end(), at(27'990));
}

TEST(lease, evidence_after_the_end_never_renews) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    one.answered(at(20'000), at(20'001));
    one.answered(at(21'000), at(21'001));
    one.confirmed(at(24'000), at(24'001));
    one.confirmed(at(25'000), at(27'991));
    EXPECT_EQ(one.end(), at(27'990));
    one.confirmed(at(28'100), at(28'101));
    EXPECT_EQ(one.end(), at(27'990));
}

TEST(lease, requests_of_an_earlier_connection_are_forgotten) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    one.answered(at(1000), at(1001));
    one.answered(at(1500), at(1501));
    one.confirmed(at(4000), at(4001));
    one.attached(at(4100), at(4110), t);
    EXPECT_EQ(one.end(), at(4100 + 27'990));
    one.confirmed(at(5000), at(5001));
    one.answered(at(4050), at(5002));  // a late reply of the old connection
    EXPECT_EQ(one.end(), at(4100 + 27'990));
}

TEST(lease, a_reattach_in_time_renews_by_itself) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    one.attached(at(27'000), at(27'990), t);
    EXPECT_EQ(one.end(), at(27'000 + 27'990));
}

TEST(lease, after_a_lapse_a_write_sent_a_tick_after_the_handshake_gives_the_handshakes_lease) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    one.attached(at(27'900), at(28'000), t);
    EXPECT_EQ(one.end(), at(27'990));
    one.confirmed(at(29'999), at(30'001));  // not a tick after
    EXPECT_EQ(one.end(), at(27'990));
    one.confirmed(at(30'000), at(30'005));
    EXPECT_EQ(one.end(), at(27'900 + 27'990));
}

TEST(lease, a_smaller_timeout_shortens_what_was_promised_at_once) {
    lease one{exact()};
    one.attached(at(0), at(1), t);
    one.attached(at(1000), at(1001), ms{4000});
    EXPECT_EQ(one.end(), at(1000 + 3990));
    one.attached(at(2000), at(2001), t);
    EXPECT_EQ(one.timeout(), ms{4000});
    EXPECT_EQ(one.end(), at(2000 + 3990));
}

TEST(lease, a_standalone_server_proves_by_any_answer) {
    lease one{exact()};
    one.attached(at(0), at(1), ms{4000});
    one.answered(at(500), at(501));
    EXPECT_EQ(one.end(), at(3990));
    one.standalone(true);
    one.answered(at(1000), at(1001));
    EXPECT_EQ(one.end(), at(1000 + 3990));
    one.answered(at(4000), at(4991));
    EXPECT_EQ(one.end(), at(1000 + 3990));
}

TEST(lease, standalone_has_to_be_said_again_after_each_handshake) {
    lease one{exact()};
    one.attached(at(0), at(1), ms{4000});
    one.standalone(true);
    one.attached(at(100), at(101), ms{4000});
    one.answered(at(1000), at(1001));
    EXPECT_EQ(one.end(), at(100 + 3990));
}

// --- Against the formula, word for word
// -----------------------------------------------------------

struct event {
    enum class kind { attach, ping, write, alone } what = kind::ping;
    instant sent;
    instant acked;
    ms timeout{0};
};

/// docs/internals/lease.md, with all of the history at hand and no thought of speed.
struct reference {
    lease_settings settings;
    std::optional<instant> anchor, end, resuming;
    ms least{0};
    bool alone = false;
    instant connected = instant::min();
    std::vector<event> requests;  // of this connection

    [[nodiscard]] instant end_by(instant s) const {
        const double held = static_cast<double>(duration{least}.count()) * (1.0 - settings.rho());
        return s + duration{static_cast<duration::rep>(std::floor(held))} - settings.epsilon;
    }
    void renew(instant s) {
        anchor = anchor ? std::max(*anchor, s) : s;
        end = end_by(*anchor);
    }
    void feed(const event& e) {
        if (e.what == event::kind::alone) {
            alone = true;
            return;
        }
        const bool in_time = !end || e.acked <= *end;
        if (e.what == event::kind::attach) {
            least = anchor ? std::min(least, e.timeout) : e.timeout;
            requests.clear();
            alone = false;
            connected = e.acked;
            resuming.reset();
            if (in_time) {
                renew(e.sent);
            } else {
                resuming = e.sent;
                end = end_by(*anchor);
            }
            return;
        }
        requests.push_back(e);
        if (!in_time) {
            if (e.what == event::kind::write && resuming && e.sent >= connected + settings.tick) {
                renew(*resuming);
                resuming.reset();
            }
            return;
        }
        if (alone) {
            renew(e.sent);
        }
        if (e.what == event::kind::write) {
            if (const auto j = newest_proven(e)) {
                renew(*j);
            }
        }
    }
    /// The newest j such that some quorum write m has s_m >= r_{j+1} + G and r_m <= s_k.
    [[nodiscard]] std::optional<instant> newest_proven(const event& k) const {
        for (std::size_t j = requests.size(); j-- > 0;) {
            for (const event& m : requests) {
                if (m.what == event::kind::write && j + 1 < requests.size() &&
                    m.sent >= requests[j + 1].acked + settings.leader_gap() && m.acked <= k.sent) {
                    return requests[j].sent;
                }
            }
        }
        return std::nullopt;
    }
};

/// A history of one session: requests in order, `spacing` to `spacing + spread` ms apart; replies
/// take 2 ms (`steady`) or anything.
std::vector<event> history(int spacing, int spread, bool steady) {
    std::vector<event> events;
    std::int64_t sent = 0;
    std::int64_t acked = 0;
    const auto count = *rc::gen::inRange(1, 120);
    for (int i = 0; i < count; ++i) {
        event e;
        const int drawn = i == 0 ? 0 : *rc::gen::inRange(0, 40);
        sent += *rc::gen::inRange(spacing, spacing + spread);
        if (drawn == 0) {
            sent = std::max(sent, acked);
            e.what = event::kind::attach;
            e.timeout = ms{*rc::gen::element(4000, 8000, 14'000)};
        } else if (drawn == 1) {
            e.what = event::kind::alone;
        } else {
            e.what = drawn < 14 ? event::kind::write : event::kind::ping;
        }
        const int took = steady ? 2 : *rc::gen::inRange(1, *rc::gen::element(5, 5, 600, 3000));
        acked = std::max(acked, sent + took);
        e.sent = at(sent);
        e.acked = at(acked);
        if (drawn == 0) {
            sent = acked;
        }
        events.push_back(e);
    }
    return events;
}

void feed(lease& one, const event& e) {
    switch (e.what) {
        case event::kind::attach:
            return one.attached(e.sent, e.acked, e.timeout);
        case event::kind::ping:
            return one.answered(e.sent, e.acked);
        case event::kind::write:
            return one.confirmed(e.sent, e.acked);
        case event::kind::alone:
            return one.standalone(true);
    }
}

RC_GTEST_PROP(lease, is_the_formula_for_requests_a_grain_apart, ()) {
    const lease_settings settings;
    lease one{settings};
    reference same;
    same.settings = settings;
    for (const event& e : history(20, 900, false)) {
        feed(one, e);
        same.feed(e);
        RC_ASSERT(one.end() == same.end);
    }
}

RC_GTEST_PROP(lease, is_never_longer_than_the_formula_and_hardly_shorter_for_denser_requests, ()) {
    const lease_settings settings;
    lease one{settings};
    reference same;
    same.settings = settings;
    for (const event& e : history(1, 40, true)) {
        feed(one, e);
        same.feed(e);
        RC_ASSERT(*one.end() <= *same.end);
        // j and j + 1 are each kept to within a grain, G / 64, and the gap between two requests.
        RC_ASSERT(*same.end - *one.end() <= settings.leader_gap() / 32 + 2 * 41ms);
    }
}

TEST(lease, memory_stays_bounded_and_renewal_goes_on_under_a_flood_of_requests) {
    lease one{exact()};
    one.attached(at(0), at(0), t);
    for (int i = 1; i < 400'000; ++i) {
        const instant now{std::chrono::microseconds{i * 200}};  // 5,000 requests a second
        if (i % 17'500 == 0) {
            one.confirmed(now, now + 1ms);
        } else {
            one.answered(now, now + 100us);
        }
    }
    EXPECT_GT(*one.end(), at(80'000 + 28'000 - 10 - 3500 - 3500 - 1100 - 100));
}

}  // namespace
}  // namespace muster::cluster
