/// @file
/// What clients can send to the keeper. The input is a list of steps: a byte that says who does
/// what, a 16-bit length, and as many bytes, which are a frame as it arrives. Three connections
/// share one core, so that sessions, watches and changes meet.

#include "zookeeper/four_letter.hpp"
#include "zookeeper/keeper_core.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

namespace {

using namespace muster;
using namespace muster::zookeeper;
using namespace std::chrono_literals;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

class people final : public core_output {
public:
    people() : core_(bounded(), *this, now()) {
        for (connection_id id = 1; id <= 3; ++id) {
            connect(id);
        }
    }

    std::string& out(connection_id to) override { return sent_[to]; }
    void close(connection_id) override {}

    void step(std::uint8_t what, std::string_view bytes) {
        const connection_id who = 1 + what % 3;
        switch (what / 3 % 8) {
            case 0:
                ms_ += std::chrono::milliseconds{bytes.size() * 10};
                core_.advance(now());
                break;
            case 1:
                core_.closed(who);
                connect(who);
                break;
            case 2:  // a first frame that is not a handshake
                core_.closed(who);
                core_.opened(who, "10.0.0.1", 1, now());
                core_.frame(who, bytes, now());
                break;
            default:
                core_.frame(who, bytes, now());
        }
        look(who);
    }

    void end() {
        for (const char* word : {"srvr", "mntr", "cons", "dump", "wchs", "wchc", "wchp"}) {
            check(!answer_word(word, {"*"}, core_, keeper_facts{}).empty());
        }
        const tree& data = core_.data();
        // The root counts twice, and is not below itself.
        check(data.descendants(*data.find("/")) + 2 == data.node_count());
        ms_ += 1h;
        core_.advance(now());
        check(core_.sessions().size() == 0 && data.ephemeral_count() == 0);
        for (connection_id id = 1; id <= 3; ++id) {
            core_.closed(id);
        }
        check(core_.data_watches().size() == 0 && core_.child_watches().size() == 0);
    }

private:
    static core_settings bounded() {
        core_settings settings;
        settings.max_reply = 1U << 20;
        settings.reap_interval = 1s;
        return settings;
    }

    moment now() const { return moment{instant{ms_}, 1'700'000'000'000 + ms_.count()}; }

    void connect(connection_id id) {
        core_.opened(id, "127.0.0.1", 1, now());
        std::string bytes;
        protocol::encode(bytes, protocol::connect_request{});
        core_.frame(id, bytes, now());
    }

    /// Whatever was sent must be whole frames.
    void look(connection_id at) {
        std::string& bytes = sent_[at];
        std::string_view rest = bytes;
        while (!rest.empty()) {
            check(rest.size() >= 4);
            const std::int32_t size = load_int32(rest.data());
            check(size >= 0 && static_cast<std::size_t>(size) <= rest.size() - 4);
            rest.remove_prefix(4 + static_cast<std::size_t>(size));
        }
        bytes.clear();
    }

    std::map<connection_id, std::string> sent_;
    std::chrono::milliseconds ms_{10'000};
    keeper_core core_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest{reinterpret_cast<const char*>(data), size};
    people all;
    while (rest.size() >= 3) {
        const auto what = static_cast<std::uint8_t>(rest[0]);
        const auto length = static_cast<std::size_t>(static_cast<std::uint8_t>(rest[1]) << 8 |
                                                     static_cast<std::uint8_t>(rest[2]));
        rest.remove_prefix(3);
        const std::string_view bytes = rest.substr(0, length);
        rest.remove_prefix(bytes.size());
        all.step(what, bytes);
    }
    all.end();
    return 0;
}
