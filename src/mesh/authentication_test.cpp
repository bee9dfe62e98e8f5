// Members that have the cluster's key, and those that would like to be taken for one.

#include "muster/message.hpp"

#include "mesh/proof.hpp"
#include "mesh/stranger_test.hpp"
#include "mesh/world_test.hpp"

namespace muster::mesh {
namespace {

const std::string secret = "a key that only this cluster has";

settings with(std::optional<std::string> key) {
    settings wanted;
    wanted.key = std::move(key);
    return wanted;
}

// --- Handshakes by hand --------------------------------------------------------------------------

std::string hello_of(member_id self, std::uint64_t features, std::size_t nonce) {
    hello mine;
    mine.cluster = "shop";
    mine.self = self;
    mine.dial = 1;
    mine.features = features;
    mine.nonce = std::string(nonce, 'n');
    return encode(mine);
}

std::string opening(std::string_view body) {
    std::string bytes{preamble};
    append_frame(bytes, frame_type::hello, 0, body);
    return bytes;
}

std::string proof_frame(std::string_view body) {
    std::string bytes;
    append_frame(bytes, frame_type::proof, 0, body);
    return bytes;
}

/// The frames in what somebody said; they point into it.
std::vector<frame> frames_of(std::string_view said) {
    std::vector<frame> all;
    said.remove_prefix(std::min(said.size(), preamble.size()));
    for (frame one;;) {
        const parse_outcome outcome = parse_frame(said, 1U << 20U, one);
        if (outcome.what != parsed::whole) {
            return all;
        }
        all.push_back(one);
        said.remove_prefix(outcome.size);
    }
}

std::vector<frame_type> types_of(std::string_view said) {
    std::vector<frame_type> all;
    for (const frame& one : frames_of(said)) {
        all.push_back(one.type);
    }
    return all;
}

using types = std::vector<frame_type>;

challenge_note challenge_in(std::string_view said) {
    for (const frame& one : frames_of(said)) {
        if (one.type == frame_type::challenge) {
            return decode<challenge_note>(one.body).value_or(challenge_note{});
        }
    }
    return {};
}

/// The code of the refusal that `said` ends with, or "".
std::string refusal_in(std::string_view said) {
    const auto all = frames_of(said);
    return all.empty() || all.back().type != frame_type::refusal
               ? ""
               : decode<refusal_note>(all.back().body).value_or(refusal_note{}).code;
}

// --- Those in between ----------------------------------------------------------------------------

/// A place that two members believe to be each other's: passes on what they say, and keeps it; or,
/// with `instead`, answers with that.
class go_between {
public:
    go_between(world& in, host& on, const node& to)
        : world_{in}, loop_{on.make_loop("between")}, address_{on.address()} {
        loop_->post([this, where = to.as_peer().address] {
            listener_ = std::move(*loop_->listen({address_, 7000}, [this, where](auto made) {
                dialler_.stream = std::move(made);
                if (!instead.empty()) {
                    acceptor_.said = instead;
                    dialler_.stream->write(acceptor_.said, [](const auto&) {});
                    hear(dialler_, nullptr);
                    return;
                }
                const auto to_whom = *runtime::parse_host_port(where);
                dial_ = loop_->connect(
                    {to_whom.host, to_whom.port}, loop_->now() + 1s, [this](auto reached) {
                        acceptor_.stream = std::move(*reached);
                        hear(dialler_, &acceptor_);
                        hear(acceptor_, &dialler_);
                    });
            }));
        });
        world_.run_for(1ms);
    }
    ~go_between() {
        loop_->post([this] {
            listener_ = nullptr;
            dial_ = nullptr;
            dialler_.stream = nullptr;
            acceptor_.stream = nullptr;
        });
        world_.run_for(5ms);
        loop_->stop();
    }

    [[nodiscard]] peer posing_as(member_id id) const { return {id, address_ + ":7000"}; }
    [[nodiscard]] const std::string& by_dialler() const { return dialler_.said; }
    [[nodiscard]] const std::string& by_acceptor() const { return acceptor_.said; }

    std::string instead;

private:
    struct side {
        std::unique_ptr<runtime::stream> stream;
        std::array<char, 4096> buffer{};
        std::string said;
        std::string passed;
    };
    void hear(side& from, side* to) {
        from.stream->read_some(from.buffer, [this, &from, to](result<std::size_t> got) {
            if (!got || *got == 0) {
                return;
            }
            from.passed.assign(from.buffer.data(), *got);
            from.said += from.passed;
            if (to == nullptr) {
                hear(from, to);
                return;
            }
            to->stream->write(from.passed, [this, &from, to](const result<void>& how) {
                if (how) {
                    hear(from, to);
                }
            });
        });
    }

    world& world_;
    std::shared_ptr<runtime::loop> loop_;
    const std::string address_;
    std::unique_ptr<runtime::listener> listener_;
    std::unique_ptr<runtime::operation> dial_;
    side dialler_, acceptor_;
};

class members_with_a_key : public testing::Test {
protected:
    void run(duration how_long = 1s) { world_.run_for(how_long); }

    static void expect_refused(const node::outcome& asked) {
        ASSERT_EQ(asked.times, 1);
        EXPECT_EQ(asked.code(), errc::not_authorized);
        EXPECT_EQ(next_of(asked.code()), next_step::fix_call);
        EXPECT_NE(asked.value->error().text.find("restart"), std::string::npos)
            << asked.value->error().text;
        EXPECT_EQ(asked.value->error().text.find(secret), std::string::npos);
    }

    world world_{7};
    node ann_{world_, "ann", member_id{1, 1}, with(secret)};
    node bob_{world_, "bob", member_id{2, 2}, with(secret)};
    host& outside_ = world_.add_host("outside");
};

// --- Who has the key -----------------------------------------------------------------------------

TEST_F(members_with_a_key, connect_and_ask_both_ways) {
    const auto there = ann_.ask(bob_.as_peer(), "hello");
    run();
    const auto back = bob_.ask(ann_.as_peer(), "hello yourself");
    run();
    EXPECT_EQ(**there->value, "re: hello");
    EXPECT_EQ(**back->value, "re: hello yourself");
    EXPECT_EQ(ann_.net().count().connections, 1U);
    EXPECT_EQ(ann_.net().count().refused_handshakes + bob_.net().count().refused_handshakes, 0U);
    for (node* one : {&ann_, &bob_}) {
        const auto peers = one->net().peers();
        ASSERT_EQ(peers.size(), 1U);
        EXPECT_EQ(peers.front().features, feature_authentication | feature_runs);
        EXPECT_EQ(peers.front().version, hello{}.version);
    }
}

TEST_F(members_with_a_key, never_send_it) {
    const go_between between{world_, outside_, bob_};
    const auto asked = ann_.ask(between.posing_as({2, 2}), "hello");
    run();
    EXPECT_EQ(**asked->value, "re: hello");
    EXPECT_EQ(types_of(between.by_dialler()).at(1), frame_type::proof);
    EXPECT_EQ(types_of(between.by_acceptor()).at(0), frame_type::challenge);
    EXPECT_EQ(between.by_dialler().find(secret), std::string::npos);
    EXPECT_EQ(between.by_acceptor().find(secret), std::string::npos);
}

TEST_F(members_with_a_key, connect_clients_that_have_it_and_no_others) {
    settings dials_only = with(secret);
    dials_only.accept = false;
    node client{world_, "client", member_id{}, dials_only};
    dials_only.key = "another key";
    node other{world_, "other", member_id{}, dials_only};
    const auto asked = client.ask(bob_.as_peer(), "x");
    const auto anybody = client.ask({member_id{}, bob_.as_peer().address}, "y");
    const auto refused = other.ask(bob_.as_peer(), "z");
    run();
    EXPECT_EQ(**asked->value, "re: x");
    EXPECT_EQ(**anybody->value, "re: y");
    expect_refused(*refused);
}

TEST_F(members_with_a_key, wait_for_it_within_the_deadline_of_the_handshake) {
    node late{world_, "late", member_id{7, 7}, with("")};
    const auto there = ann_.ask(late.as_peer(), "early");
    const auto back = late.ask(bob_.as_peer(), "early too");
    run(3s);
    EXPECT_EQ(there->times + back->times, 0);
    EXPECT_TRUE(late.heard.empty() && bob_.heard.empty());
    late.net().set_key(secret);
    run();
    EXPECT_EQ(**there->value, "re: early");
    EXPECT_EQ(**back->value, "re: early too");

    node never{world_, "never", member_id{8, 8}, with("")};
    const auto in_vain = ann_.ask(never.as_peer(), "x", 20s);
    const auto as_vain = never.ask(bob_.as_peer(), "x", 20s);
    run(10s);
    EXPECT_EQ(in_vain->code(), errc::unavailable);
    EXPECT_EQ(as_vain->code(), errc::unavailable);
}

TEST_F(members_with_a_key, may_hear_of_their_id_first_or_last) {
    node one{world_, "one", member_id{}, with("")};
    node two{world_, "two", member_id{}, with("")};
    const auto first = ann_.ask({member_id{5, 5}, one.on().address() + ":7000"}, "x");
    const auto second = ann_.ask({member_id{6, 6}, two.on().address() + ":7000"}, "y");
    run();
    one.net().become(member_id{5, 5});
    two.net().set_key(secret);
    run();
    EXPECT_EQ(first->times + second->times, 0);
    one.net().set_key(secret);
    two.net().become(member_id{6, 6});
    run();
    EXPECT_EQ(**first->value, "re: x");
    EXPECT_EQ(**second->value, "re: y");
}

TEST_F(members_with_a_key, keep_what_is_connected_when_it_is_replaced) {
    static_cast<void>(ann_.ask(bob_.as_peer(), "x"));
    run();
    bob_.net().set_key("another key");
    const auto asked = ann_.ask(bob_.as_peer(), "y");
    run();
    EXPECT_EQ(**asked->value, "re: y");
    node third{world_, "third", member_id{3, 3}, with("another key")};
    const auto with_it = third.ask(bob_.as_peer(), "z");
    run();
    EXPECT_EQ(**with_it->value, "re: z");
}

TEST(members_with_a_key_that_dial_at_once, end_with_one_connection_and_lose_nothing) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        world one{seed};
        node ann{one, "ann", member_id{1, 1}, with(secret)};
        node bob{one, "bob", member_id{2, 2}, with(secret)};
        const auto there = ann.ask(bob.as_peer(), "a");
        one.run_for(std::chrono::microseconds{one.random_below(3000)});
        const auto back = bob.ask(ann.as_peer(), "b");
        one.run_for(3s);
        ASSERT_EQ(**there->value, "re: a") << seed;
        ASSERT_EQ(**back->value, "re: b") << seed;
        ASSERT_EQ(ann.net().count().connections, 1U) << seed;
        ASSERT_EQ(bob.net().count().connections, 1U) << seed;
        ASSERT_EQ(ann.heard.size() + bob.heard.size(), 2U) << seed;
    }
}

// --- Who has not ---------------------------------------------------------------------------------

TEST_F(members_with_a_key, neither_ask_nor_answer_those_with_another) {
    node eve{world_, "eve", member_id{9, 9}, with("a key of some other cluster")};
    const auto by_her = eve.ask(bob_.as_peer(), "let me in");
    run();
    expect_refused(*by_her);
    EXPECT_EQ(eve.net().count().refused_handshakes, 1U);
    EXPECT_EQ(bob_.net().count().refused_handshakes, 1U);
    const auto of_her = ann_.ask(eve.as_peer(), "are you one of us?");
    run();
    expect_refused(*of_her);
    EXPECT_EQ(ann_.net().count().refused_handshakes, 1U);
    EXPECT_EQ(eve.net().count().refused_handshakes, 2U);
    EXPECT_TRUE(bob_.heard.empty() && eve.heard.empty());
    EXPECT_EQ(bob_.net().count().connections + ann_.net().count().connections, 0U);
}

TEST_F(members_with_a_key, neither_ask_nor_answer_those_without_one) {
    node old{world_, "old", member_id{9, 9}};
    const auto by_it = old.ask(bob_.as_peer(), "let me in");
    run();
    expect_refused(*by_it);
    EXPECT_EQ(bob_.net().count().refused_handshakes, 1U);
    const auto of_it = ann_.ask(old.as_peer(), "are you one of us?");
    run();
    expect_refused(*of_it);
    EXPECT_EQ(ann_.net().count().refused_handshakes, 1U);
    EXPECT_TRUE(bob_.heard.empty() && old.heard.empty());
}

TEST_F(members_with_a_key, refuse_whoever_would_do_without_or_brings_half_a_nonce) {
    for (const std::string& body : {hello_of({9, 9}, 0, 32),
                                    hello_of({9, 9}, feature_authentication, 0),
                                    hello_of({9, 9}, feature_authentication, 15)}) {
        stranger one{world_, outside_, bob_};
        one.say(opening(body) + request_frame(1, "x"));
        EXPECT_EQ(refusal_in(one.heard), "not_authorized");
        EXPECT_TRUE(one.hung_up);
    }
    EXPECT_TRUE(bob_.heard.empty());
    EXPECT_EQ(bob_.net().count().refused_handshakes, 3U);
}

TEST_F(members_with_a_key, take_the_right_proof_and_nothing_else) {
    const std::string mine = hello_of({9, 9}, feature_authentication, 16);
    const auto attempt = [&](const std::function<std::string(const challenge_note&)>& answer) {
        stranger one{world_, outside_, bob_};
        one.say(opening(mine));
        EXPECT_EQ(types_of(one.heard), types{frame_type::challenge});
        one.say(answer(challenge_in(one.heard)) + request_frame(1, "with it"));
        return one.hung_up ? refusal_in(one.heard) : "connected";
    };
    const auto right = [&](const challenge_note& note) {
        return proof_of(secret, prover::dialler, mine, note.greeting);
    };
    EXPECT_EQ(attempt([&](const auto& note) { return proof_frame(right(note)); }), "connected");
    EXPECT_EQ(bob_.heard, std::vector<std::string>{"with it"});
    bob_.heard.clear();

    const std::vector<std::function<std::string(const challenge_note&)>> wrong{
        [](const auto&) { return std::string{}; },
        [](const auto&) { return std::string(32, '\0'); },
        [](const auto& note) { return note.proof; },  // Its own, sent back.
        [&](const auto& note) { return right(note).substr(0, 31); },
        [&](const auto& note) { return right(note) + '\0'; },
        [&](const auto& note) {
            std::string flipped = right(note);
            flipped.back() = static_cast<char>(flipped.back() ^ 1);
            return flipped;
        },
        [&](const auto& note) {
            return proof_of("another key", prover::dialler, mine, note.greeting);
        },
        [&](const auto& note) {
            return proof_of(secret,
                            prover::dialler,
                            hello_of({9, 8}, feature_authentication, 16),
                            note.greeting);
        }};
    for (const auto& one : wrong) {
        EXPECT_EQ(attempt([&](const auto& note) { return proof_frame(one(note)); }),
                  "not_authorized");
    }
    EXPECT_TRUE(bob_.heard.empty());
    EXPECT_EQ(bob_.net().count().refused_handshakes, wrong.size());
}

TEST_F(members_with_a_key, handle_no_frame_that_comes_before_the_proof) {
    int frames = 0;
    settings wanted = with(secret);
    wanted.frames[70] = [&](const arrival&) { ++frames; };
    node careful{world_, "careful", member_id{6, 6}, wanted};
    std::string posted_frame;
    append_frame(posted_frame, static_cast<frame_type>(70), 0, "x");
    std::string optional;
    append_frame(optional, static_cast<frame_type>(63), 0, "x", {}, flag_optional);
    std::string cut_short = proof_frame(std::string(32, 'x'));
    cut_short.back() = 'y';  // And the checksum says so.
    const std::string first = opening(hello_of({9, 9}, feature_authentication, 32));
    const std::vector<std::string> early{
        request_frame(1, "x"), posted_frame, optional, cut_short, first, first.substr(8)};
    for (const std::string& bytes : early) {
        stranger at_once{world_, outside_, careful};
        at_once.say(first + bytes);
        EXPECT_TRUE(at_once.hung_up);
        stranger later{world_, outside_, careful};
        later.say(first);
        EXPECT_FALSE(later.hung_up);
        later.say(bytes);
        EXPECT_TRUE(later.hung_up);
    }
    EXPECT_TRUE(careful.heard.empty());
    EXPECT_EQ(frames, 0);
    EXPECT_EQ(careful.net().count().refused_handshakes, 2 * early.size());
    stranger silent{world_, outside_, careful};
    silent.say(first);
    run(6s);
    EXPECT_TRUE(silent.hung_up) << "the deadline of the handshake is that of the proof too";
}

TEST_F(members_with_a_key, are_not_lost_to_a_stranger_that_claims_to_be_one) {
    static_cast<void>(ann_.ask(bob_.as_peer(), "first"));
    run();
    stranger one{world_, outside_, bob_};
    hello mine;
    mine.cluster = "shop";
    mine.self = member_id{1, 1};
    mine.dial = 1000;
    mine.seen = 1000;
    mine.features = feature_authentication;
    mine.nonce = std::string(32, 'n');
    one.say(opening(encode(mine)) + proof_frame(std::string(32, 'x')));
    EXPECT_TRUE(one.hung_up);
    EXPECT_EQ(ann_.net().count().connections, 1U);
    EXPECT_EQ(ann_.net().count().broken, 0U);
}

// --- What was recorded ---------------------------------------------------------------------------

TEST_F(members_with_a_key, refuse_a_handshake_that_a_stranger_recorded) {
    const go_between between{world_, outside_, bob_};
    const auto asked = ann_.ask(between.posing_as({2, 2}), "pay once");
    run();
    EXPECT_EQ(**asked->value, "re: pay once");
    const std::string recorded = between.by_dialler();
    ASSERT_EQ(types_of(recorded).at(2), frame_type::request);
    host& elsewhere = world_.add_host("elsewhere");
    stranger at_once{world_, elsewhere, bob_};
    at_once.say(recorded);
    EXPECT_EQ(types_of(at_once.heard), (types{frame_type::challenge, frame_type::refusal}));
    EXPECT_EQ(refusal_in(at_once.heard), "not_authorized");
    EXPECT_TRUE(at_once.hung_up);
    stranger in_turn{world_, elsewhere, bob_};
    const std::size_t hello_ends = recorded.find(frames_of(recorded).at(1).body) - header_size;
    in_turn.say(recorded.substr(0, hello_ends));
    EXPECT_EQ(types_of(in_turn.heard), types{frame_type::challenge});
    in_turn.say(recorded.substr(hello_ends));
    EXPECT_EQ(refusal_in(in_turn.heard), "not_authorized");
    EXPECT_EQ(bob_.heard, std::vector<std::string>{"pay once"});
    EXPECT_NE(challenge_in(at_once.heard).greeting, challenge_in(in_turn.heard).greeting);
}

TEST_F(members_with_a_key, send_nothing_to_whoever_repeats_what_a_member_answered) {
    go_between between{world_, outside_, bob_};
    const auto first = ann_.ask(between.posing_as({2, 2}), "to bob");
    run();
    EXPECT_EQ(**first->value, "re: to bob");
    host& elsewhere = world_.add_host("elsewhere");
    go_between impostor{world_, elsewhere, bob_};
    impostor.instead = between.by_acceptor();
    node client{world_, "client", member_id{4, 4}, with(secret)};
    const auto asked = client.ask(impostor.posing_as({2, 2}), "for bob only");
    run();
    expect_refused(*asked);
    EXPECT_EQ(types_of(impostor.by_dialler()), types{frame_type::hello});
    EXPECT_EQ(client.net().count().refused_handshakes, 1U);
}

}  // namespace
}  // namespace muster::mesh
