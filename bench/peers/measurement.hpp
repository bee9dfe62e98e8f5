#pragma once

/// @file
/// What every program of `bench/messages.py` has around its sending: what it is called with, how
/// many messages fill the time wanted, and the line of JSON. C++17, as the peers need it.
///
///     PROGRAM server ADDRESS                           prints READY, and serves until it is killed
///     PROGRAM client ADDRESS MODE PAYLOAD SECONDS      measures MODE: oneway, pp1 or pp64

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

/// Nanoseconds since some moment, the same for all processes of a machine.
inline std::uint64_t now_ns() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

/// Ends the program: what was measured would be wrong.
[[noreturn]] inline void give_up(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::_Exit(1);
}

/// What a program was called with.
struct call {
    bool serves = false;
    std::string address;
    std::string mode;
    std::size_t payload = 0;
    double seconds = 0;

    /// Requests under way at one time; 0 where nothing is answered.
    std::uint64_t outstanding() const {
        return mode.rfind("pp", 0) == 0 ? std::strtoull(mode.c_str() + 2, nullptr, 10) : 0;
    }
    /// Of the payload, what is not the order's other fields and the length of its body.
    std::string body() const { return std::string(payload - 28, 'x'); }
};

inline call read_call(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 2 && words[0] == "server") {
        return {true, words[1], {}, 0, 0};
    }
    if (words.size() != 5 || words[0] != "client") {
        give_up("usage: server ADDRESS | client ADDRESS MODE PAYLOAD SECONDS");
    }
    const call wanted{false,
                      words[1],
                      words[2],
                      std::strtoull(words[3].c_str(), nullptr, 10),
                      std::strtod(words[4].c_str(), nullptr)};
    if ((wanted.mode != "oneway" && wanted.outstanding() == 0) || wanted.payload < 28) {
        give_up("a mode is oneway, pp1 or pp64, a payload is at least 28");
    }
    return wanted;
}

inline void ready() {
    std::puts("READY");
    std::fflush(stdout);
}

/// Runs of growing length until one takes long enough to tell how many messages fill the time
/// wanted; then that many, which count:
///
///     while (const auto many = one.next()) { ... send `many` ...; one.done(); }
///
/// Threads: one at a time.
class measurement {
public:
    explicit measurement(const call& wanted) : wanted_{wanted} {}

    /// How many messages to send now; 0 when all has been measured. Starts the clock.
    std::uint64_t next() {
        if (final_ && ended_ != 0) {
            return 0;
        }
        if (count_ == 0) {
            count_ = 256;
        } else if (const double took = seconds(); took < wanted_.seconds / 8) {
            count_ *= 4;
        } else {
            count_ =
                static_cast<std::uint64_t>(static_cast<double>(count_) * wanted_.seconds / took);
            count_ = std::max<std::uint64_t>(count_ / 64 * 64, 64);
            final_ = true;
        }
        latencies_.clear();
        latencies_.reserve(wanted_.outstanding() == 0 ? 0 : count_);
        ended_ = 0;
        began_ = now_ns();
        return count_;
    }
    /// A reply to what was sent then has come now.
    void answered(std::uint64_t sent_at, std::uint64_t now) {
        latencies_.push_back(static_cast<std::uint32_t>(now - sent_at));
    }
    /// Stops the clock.
    void done() { ended_ = now_ns(); }

    void report(const char* peer) {
        std::printf("{\"peer\":\"%s\",\"mode\":\"%s\",\"payload\":%zu,\"rate\":%.0f,",
                    peer,
                    wanted_.mode.c_str(),
                    wanted_.payload,
                    static_cast<double>(count_) / seconds());
        if (latencies_.empty()) {
            std::puts("\"p50_us\":null,\"p99_us\":null}");
        } else {
            std::sort(latencies_.begin(), latencies_.end());
            std::printf("\"p50_us\":%.2f,\"p99_us\":%.2f}\n",
                        latencies_[latencies_.size() / 2] * 1e-3,
                        latencies_[latencies_.size() * 99 / 100] * 1e-3);
        }
        std::fflush(stdout);
    }

private:
    double seconds() const { return static_cast<double>(ended_ - began_) * 1e-9; }

    call wanted_;
    std::uint64_t count_ = 0;
    bool final_ = false;
    std::uint64_t began_ = 0;
    std::uint64_t ended_ = 0;
    std::vector<std::uint32_t> latencies_;
};

}  // namespace bench
