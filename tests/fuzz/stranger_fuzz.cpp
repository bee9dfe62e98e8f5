/// @file
/// Anybody at the port of a mesh. The input is what they say: a byte of type, a byte of flags, a
/// length and as many bytes make a frame, with the checksum that would keep the fuzzer outside; a
/// type of 0 says bytes as they are. Whatever it is, a member that speaks properly is answered.

#include "muster/message.hpp"

#include "mesh/frame.hpp"
#include "mesh/mesh.hpp"
#include "runtime/sim/world.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace muster;
using namespace muster::mesh;
using namespace std::chrono_literals;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

/// A member that answers, and hears frames of type 64.
struct answering {
    answering(runtime::sim::host& on, member_id id) : machine{on.process()} {
        loops = {machine->make_loop("one")};
        settings how;
        how.cluster = "shop";
        how.listen = {on.address(), 7000};
        how.max_frame = 4096;
        how.max_queue = 16 * 1024;
        how.frames[64] = [](const arrival&) {};
        auto made = muster::mesh::mesh::start(machine, loops, std::move(how), [](incoming one) {
            one.answer.reply(std::string{one.body});
        });
        check(made.has_value());
        net = std::move(*made);
        net->become(id);
    }
    ~answering() {
        net->stop();
        loops.front()->stop();
    }

    std::shared_ptr<runtime::platform> machine;
    std::vector<std::shared_ptr<runtime::loop>> loops;
    std::unique_ptr<muster::mesh::mesh> net;
};

std::string said_by(std::string_view input) {
    std::string said;
    if (!input.empty() && (input.front() & 1) != 0) {
        said = preamble;
        hello mine;
        mine.cluster = "shop";
        append_frame(said, frame_type::hello, 0, encode(mine));
    }
    input.remove_prefix(input.empty() ? 0 : 1);
    while (input.size() >= 4) {
        const auto type = static_cast<std::uint8_t>(input[0]);
        const auto flags = static_cast<std::uint8_t>(input[1]);
        const std::size_t length = std::min<std::size_t>(
            static_cast<std::uint8_t>(input[2]) + 256U * static_cast<std::uint8_t>(input[3]),
            input.size() - 4);
        const std::string_view body = input.substr(4, length);
        if (type == 0) {
            said.append(body);
        } else {
            append_frame(said, static_cast<frame_type>(type), flags, body, {}, flags);
        }
        input.remove_prefix(4 + length);
    }
    return said;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    runtime::sim::world world{1};
    auto& outside = world.add_host("outside");
    const std::string said = said_by({reinterpret_cast<const char*>(data), size});
    auto& where = world.add_host("bob");
    answering bob{where, member_id{2, 2}};
    // Without a key anybody can claim to be anybody, but not one whose id comes of what they say.
    answering ann{world.add_host("ann"), member_id{std::hash<std::string>{}(said), 77}};

    const auto loop = outside.make_loop("stranger");
    std::unique_ptr<runtime::operation> dial;
    std::unique_ptr<runtime::stream> stream;
    loop->post([&] {
        dial = loop->connect({where.address(), 7000}, loop->now() + 1s, [&](auto made) {
            stream = std::move(*made);
            stream->write(said, [](auto) {});
        });
    });
    world.run_for(20ms);
    std::optional<result<std::string>> answer;
    ann.net->request({member_id{2, 2}, where.address() + ":7000"},
                     "hello",
                     world.now() + 2s,
                     [&](result<std::string> got) { answer.emplace(std::move(got)); });
    world.run_for(20ms);
    check(answer && *answer == result<std::string>{"hello"});
    loop->post([&] {
        dial = nullptr;
        stream = nullptr;
    });
    world.run_for(20ms);
    loop->stop();
    return 0;
}
