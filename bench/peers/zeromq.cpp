/// @file
/// ZeroMQ: DEALER to ROUTER, one I/O thread each, high-water marks as they come.

#include "order.hpp"

#include <zmq.h>

#include <string>

namespace {

using namespace bench;

void send(void* socket, const order& one) {
    zmq_msg_t part;
    zmq_msg_init_size(&part, size_of(one));
    write_order(static_cast<char*>(zmq_msg_data(&part)), one);
    if (zmq_msg_send(&part, socket, 0) < 0) {
        give_up("zmq_msg_send failed");
    }
}

void receive(void* socket, order& one) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    if (zmq_msg_recv(&part, socket, 0) < 0) {
        give_up("zmq_msg_recv failed");
    }
    read_order(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part), one);
    zmq_msg_close(&part);
}

void serve_all(void* context, const std::string& address) {
    void* const socket = zmq_socket(context, ZMQ_ROUTER);
    if (zmq_bind(socket, address.c_str()) != 0) {
        give_up("zmq_bind failed");
    }
    ready();
    std::uint64_t received = 0;
    order one;
    while (true) {
        zmq_msg_t who;
        zmq_msg_init(&who);
        if (zmq_msg_recv(&who, socket, 0) < 0) {
            return;
        }
        receive(socket, one);
        if (serve(one, received)) {
            zmq_msg_send(&who, socket, ZMQ_SNDMORE);
            send(socket, one);
        } else {
            zmq_msg_close(&who);
        }
    }
}

void one_way_run(void* socket, order& one, std::uint64_t many) {
    order answer;
    one.kind = one_way;
    for (std::uint64_t i = 0; i < many; ++i) {
        one.id = i;
        one.sent_at = i;
        send(socket, one);
    }
    one.kind = confirm;
    send(socket, one);
    receive(socket, answer);
    check_count(answer.id, many);
}

void question_run(
    void* socket, order& one, std::uint64_t many, std::uint64_t outstanding, measurement& plan) {
    order answer;
    std::uint64_t sent = 0;
    one.kind = question;
    const auto ask = [&](std::uint64_t now) {
        one.id = sent++;
        one.sent_at = now;
        send(socket, one);
    };
    while (sent < outstanding && sent < many) {
        ask(now_ns());
    }
    for (std::uint64_t got = 0; got < many; ++got) {
        receive(socket, answer);
        const std::uint64_t now = now_ns();
        plan.answered(answer.sent_at, now);
        if (sent < many) {
            ask(now);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const call wanted = read_call(argc, argv);
    void* const context = zmq_ctx_new();
    const std::string address = "tcp://127.0.0.1:" + wanted.address;
    if (wanted.serves) {
        serve_all(context, address);
        return 1;
    }
    void* const socket = zmq_socket(context, ZMQ_DEALER);
    zmq_connect(socket, address.c_str());
    order one;
    one.body = wanted.body();
    measurement plan{wanted};
    while (const std::uint64_t many = plan.next()) {
        if (wanted.outstanding() == 0) {
            one_way_run(socket, one, many);
        } else {
            question_run(socket, one, many, wanted.outstanding(), plan);
        }
        plan.done();
    }
    plan.report("ZeroMQ");
    std::_Exit(0);  // There is nobody to whom anything is owed.
}
