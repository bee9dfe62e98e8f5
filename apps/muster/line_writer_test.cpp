#include "line_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <sstream>
#include <string>

namespace muster::cli {
namespace {

using namespace std::chrono_literals;

std::string told(std::size_t dropped) {
    return "dropped " + std::to_string(dropped) + "\n";
}

/// A pipe whose reader may sleep.
struct pipe_here {
    pipe_here() { EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0); }
    ~pipe_here() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    pipe_here(const pipe_here&) = delete;
    pipe_here& operator=(const pipe_here&) = delete;

    /// Reads until the text ends in `last`.
    [[nodiscard]] std::string read_through(const std::string& last) const {
        std::string text;
        std::array<char, 4096> bytes{};
        while (!text.ends_with(last)) {
            const ssize_t count = ::read(ends[0], bytes.data(), bytes.size());
            if (count <= 0) {
                break;
            }
            text.append(bytes.data(), static_cast<std::size_t>(count));
        }
        return text;
    }

    std::array<int, 2> ends{-1, -1};
};

TEST(lines, are_written_in_order_and_before_the_writer_ends) {
    const pipe_here there;
    {
        line_writer out{there.ends[1], told};
        out.write("one\n");
        out.write("two\n");
        EXPECT_TRUE(out.has_room());
    }
    EXPECT_EQ(there.read_through("two\n"), "one\ntwo\n");
}

TEST(lines, that_nobody_reads_are_dropped_and_counted_and_hold_nobody_up) {
    const pipe_here there;
    const std::string line = std::string(1023, 'x') + "\n";
    constexpr std::size_t many = 2'000;
    line_writer out{there.ends[1], told};
    for (std::size_t i = 0; i < many; ++i) {
        out.write(line);
    }
    EXPECT_FALSE(out.has_room());
    // More than one gap where the thread took its first lines late.
    std::size_t written = 0;
    std::size_t dropped = 0;
    while (written + dropped < many) {
        std::istringstream text{there.read_through("\n")};
        for (std::string one; std::getline(text, one);) {
            if (one + "\n" == line) {
                ++written;
            } else {
                const std::size_t lost = std::stoul(one.substr(told(0).find('0')));
                EXPECT_EQ(one + "\n", told(lost));
                dropped += lost;
            }
        }
        ASSERT_GT(written, 0U);
    }
    EXPECT_EQ(written + dropped, many);
    EXPECT_GT(dropped, 0U);
    out.write("again\n");
    EXPECT_EQ(there.read_through("again\n"), "again\n");
}

TEST(lines, that_nobody_ever_reads_do_not_keep_their_writer_from_ending) {
    const pipe_here there;
    const auto began = std::chrono::steady_clock::now();
    {
        line_writer out{there.ends[1], told};
        out.write(std::string(200'000, 'x') + "\n");
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, 30s);
    // So that the thread ends with the test: what it began to write is read, nothing follows.
    EXPECT_EQ(there.read_through("\n").size(), 200'001U);
}

}  // namespace
}  // namespace muster::cli
