#pragma once

/// @file
/// Somebody at a mesh's port who says what a test wants said.

#include "mesh/frame.hpp"
#include "mesh/world_test.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace muster::mesh {

/// Somebody who writes bytes to a mesh's port and looks whether it is hung up on.
class stranger {
public:
    stranger(world& in, host& on, node& to) : world_{in}, loop_{on.make_loop("stranger")} {
        loop_->post([this, &to] {
            dial_ = loop_->connect({to.on().address(), 7000}, loop_->now() + 1s, [this](auto made) {
                stream_ = std::move(*made);
                read();
            });
        });
        world_.run_for(10ms);
    }
    ~stranger() {
        loop_->post([this] {
            dial_ = nullptr;
            stream_ = nullptr;
        });
        world_.run_for(5ms);
        loop_->stop();
    }

    void say(std::string bytes) {
        loop_->post([this, bytes = std::move(bytes)]() mutable {
            said_ = std::move(bytes);
            stream_->write(said_, [](auto) {});
        });
        world_.run_for(5ms);
    }

    void hang_up() {
        loop_->post([this] { stream_->close(); });
        world_.run_for(5ms);
    }

    std::string heard;
    bool hung_up = false;

private:
    void read() {
        stream_->read_some(buffer_, [this](result<std::size_t> got) {
            if (!got || *got == 0) {
                hung_up = true;
                return;
            }
            heard.append(buffer_.data(), *got);
            read();
        });
    }

    world& world_;
    std::shared_ptr<runtime::loop> loop_;
    std::unique_ptr<runtime::operation> dial_;
    std::unique_ptr<runtime::stream> stream_;
    std::array<char, 4096> buffer_{};
    std::string said_;
};

inline std::string request_frame(std::uint64_t id, std::string_view body) {
    std::string bytes;
    append_frame(bytes, frame_type::request, id, body, std::string_view{"\x00\x00\x10\x00", 4});
    return bytes;
}

}  // namespace muster::mesh
