#include "mesh/responder.hpp"

#include "muster/message.hpp"

#include "mesh/mesh_core.hpp"

#include <utility>

namespace muster::mesh {

std::unique_ptr<responder::impl> responder::impl::remote(std::weak_ptr<connection> to,
                                                         std::uint64_t id) {
    auto made = std::make_unique<impl>();
    made->to_ = std::move(to);
    made->id_ = id;
    return made;
}

std::unique_ptr<responder::impl> responder::impl::own(std::weak_ptr<mesh_core> core,
                                                      std::size_t worker,
                                                      std::uint64_t id) {
    auto made = std::make_unique<impl>();
    made->core_ = std::move(core);
    made->worker_ = worker;
    made->id_ = id;
    return made;
}

void responder::impl::reply(std::string body) {
    if (const auto core = core_.lock()) {
        core->answer_own(worker_, id_, std::move(body));
    } else if (const auto to = to_.lock()) {
        if (body.size() > to->max_body()) {
            fail({errc::invalid_argument, "the reply is longer than a frame may be"});
            return;
        }
        to->answer(id_, frame_type::reply, body);
    }
}

void responder::impl::fail(const error& why) {
    if (const auto core = core_.lock()) {
        core->answer_own(worker_, id_, std::unexpected{why});
    } else if (const auto to = to_.lock()) {
        to->answer(id_,
                   frame_type::failure,
                   encode(failure_note{std::string{name_of(why.code)}, why.text.substr(0, 4096)}));
    }
}

responder::responder() = default;
responder::responder(std::unique_ptr<impl> inner) : inner_{std::move(inner)} {}
responder::responder(responder&&) noexcept = default;

responder& responder::operator=(responder&& other) noexcept {
    responder dropped{std::exchange(inner_, std::move(other.inner_))};
    return *this;
}

responder::~responder() {
    if (inner_) {
        inner_->fail({errc::handler_failed, "the handler ended without an answer"});
    }
}

void responder::reply(std::string body) {
    if (const auto once = std::exchange(inner_, nullptr)) {
        once->reply(std::move(body));
    }
}

void responder::fail(const error& why) {
    if (const auto once = std::exchange(inner_, nullptr)) {
        once->fail(why);
    }
}

}  // namespace muster::mesh
