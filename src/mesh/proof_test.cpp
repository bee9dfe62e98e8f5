#include "mesh/proof.hpp"

#include "runtime/sim/world.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace muster::mesh {
namespace {

std::string hexadecimal(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char one : bytes) {
        const auto value = static_cast<unsigned char>(one);
        text += digits[value >> 4U];
        text += digits[value & 15U];
    }
    return text;
}

// Computed with Python's hmac, from what docs/format/greeting.md says.
TEST(a_proof, is_what_the_format_says) {
    std::string key;
    for (int i = 0; i < 32; ++i) {
        key += static_cast<char>(i);
    }
    EXPECT_EQ(hexadecimal(proof_of(key, prover::dialler, "hello of one", "hello of two")),
              "11ab94f871e92ad2f472a802790c47657a6e7cc0a43f9deb3b1c0182b8111f60");
    EXPECT_EQ(hexadecimal(proof_of(key, prover::acceptor, "hello of one", "hello of two")),
              "d559686d47c01fba7dd0813a78ce01aa0ddf5689cadbac4e4242fc979adb965b");
}

TEST(a_proof, is_another_for_another_key_prover_or_hello) {
    const std::string one = proof_of("key", prover::dialler, "ab", "c");
    EXPECT_EQ(one, proof_of("key", prover::dialler, "ab", "c"));
    for (const std::string& other : {proof_of("kez", prover::dialler, "ab", "c"),
                                     proof_of("key", prover::acceptor, "ab", "c"),
                                     proof_of("key", prover::dialler, "a", "bc"),
                                     proof_of("key", prover::dialler, "c", "ab"),
                                     proof_of("key", prover::dialler, "", "abc")}) {
        EXPECT_FALSE(is_same_proof(one, other));
    }
}

TEST(a_proof, is_the_same_only_when_it_is_whole) {
    const std::string one = proof_of("key", prover::dialler, "a", "b");
    EXPECT_TRUE(is_same_proof(one, std::string{one}));
    EXPECT_FALSE(is_same_proof(one, std::string_view{one}.substr(1)));
    EXPECT_FALSE(is_same_proof(one, one + "x"));
    EXPECT_FALSE(is_same_proof("", "")) << "none was awaited";
}

TEST(a_nonce, is_never_the_same_and_is_drawn_from_the_loop) {
    runtime::sim::world in{3};
    const auto loop = in.add_host("one").make_loop("one");
    const std::string first = fresh_nonce(*loop);
    EXPECT_EQ(first.size(), nonce_size);
    EXPECT_NE(first, fresh_nonce(*loop));
    runtime::sim::world again{3};
    EXPECT_EQ(first, fresh_nonce(*again.add_host("one").make_loop("one")));
}

}  // namespace
}  // namespace muster::mesh
