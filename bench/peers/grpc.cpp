/// @file
/// gRPC with its callback API: one way is a client stream; requests go through one stream both
/// ways, or each is a call of its own where the last word of the command line is `unary`.

#include "measurement.hpp"
#include "orders.grpc.pb.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace {

using namespace bench;
using orders::Count;
using orders::Order;

// --- The server --------------------------------------------------------------------------------

class counting : public grpc::ServerReadReactor<Order> {
public:
    explicit counting(Count* answer) : answer_{answer} { StartRead(&one_); }
    void OnReadDone(bool good) override {
        if (good) {
            ++received_;
            StartRead(&one_);
        } else {
            answer_->set_received(received_);
            Finish(grpc::Status::OK);
        }
    }
    void OnDone() override { delete this; }

private:
    Count* answer_;
    Order one_;
    std::uint64_t received_ = 0;
};

/// Sends back what comes; reads go on while a write is under way.
class echoing : public grpc::ServerBidiReactor<Order, Order> {
public:
    echoing() { StartRead(&one_); }
    void OnReadDone(bool good) override {
        const std::lock_guard held{lock_};
        if (!good) {
            closed_ = true;
            finish_if_done();
            return;
        }
        waiting_.push_back(one_);
        write_next();
        StartRead(&one_);
    }
    void OnWriteDone(bool good) override {
        const std::lock_guard held{lock_};
        writing_ = false;
        if (good) {
            write_next();
        }
        finish_if_done();
    }
    void OnDone() override { delete this; }

private:
    void write_next() {
        if (writing_ || waiting_.empty()) {
            return;
        }
        writing_ = true;
        flying_ = std::move(waiting_.front());
        waiting_.pop_front();
        grpc::WriteOptions how;
        if (!waiting_.empty()) {
            how.set_buffer_hint();
        }
        StartWrite(&flying_, how);
    }
    void finish_if_done() {
        if (closed_ && !writing_) {
            Finish(grpc::Status::OK);
        }
    }

    std::mutex lock_;
    Order one_;
    Order flying_;
    std::deque<Order> waiting_;
    bool writing_ = false;
    bool closed_ = false;
};

class service : public orders::Orders::CallbackService {
    grpc::ServerReadReactor<Order>* Send(grpc::CallbackServerContext*, Count* answer) override {
        return new counting{answer};
    }
    grpc::ServerUnaryReactor* Ask(grpc::CallbackServerContext* call,
                                  const Order* one,
                                  Order* answer) override {
        *answer = *one;
        grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }
    grpc::ServerBidiReactor<Order, Order>* Exchange(grpc::CallbackServerContext*) override {
        return new echoing;
    }
};

// --- The client --------------------------------------------------------------------------------

class gate {
public:
    void open() {
        const std::lock_guard held{lock_};
        open_ = true;
        changed_.notify_one();
    }
    void wait() {
        std::unique_lock held{lock_};
        changed_.wait(held, [this] { return open_; });
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    bool open_ = false;
};

/// Keeps as many questions under way on one stream as are wanted.
class exchange : public grpc::ClientBidiReactor<Order, Order> {
public:
    exchange(Order one, std::uint64_t many, std::uint64_t outstanding, measurement& plan)
        : flying_{std::move(one)}, many_{many}, outstanding_{outstanding}, plan_{plan} {}

    void run(orders::Orders::Stub& server) {
        grpc::ClientContext context;
        server.async()->Exchange(&context, this);
        StartRead(&answer_);
        {
            const std::lock_guard held{lock_};
            write_next();
        }
        StartCall();
        ended_.wait();
    }
    void OnWriteDone(bool) override {
        const std::lock_guard held{lock_};
        writing_ = false;
        write_next();
    }
    void OnReadDone(bool good) override {
        const std::lock_guard held{lock_};
        if (!good) {
            return;
        }
        plan_.answered(answer_.sent_at(), now_ns());
        if (++got_ == many_) {
            StartWritesDone();
        } else {
            write_next();
        }
        StartRead(&answer_);
    }
    void OnDone(const grpc::Status& how) override {
        if (!how.ok() || got_ != many_) {
            give_up("the stream ended early");
        }
        ended_.open();
    }

private:
    [[nodiscard]] bool has_next() const { return sent_ < many_ && sent_ - got_ < outstanding_; }
    void write_next() {
        if (writing_ || !has_next()) {
            return;
        }
        writing_ = true;
        flying_.set_id(sent_++);
        flying_.set_sent_at(now_ns());
        grpc::WriteOptions how;
        if (has_next()) {
            how.set_buffer_hint();
        }
        StartWrite(&flying_, how);
    }

    std::mutex lock_;
    gate ended_;
    Order flying_;
    Order answer_;
    std::uint64_t many_;
    std::uint64_t outstanding_;
    measurement& plan_;
    std::uint64_t sent_ = 0;
    std::uint64_t got_ = 0;
    bool writing_ = false;
};

/// Keeps as many calls under way as are wanted.
class calls {
public:
    calls(orders::Orders::Stub& server, const Order& one, std::uint64_t many, measurement& plan)
        : server_{server}, one_{one}, many_{many}, plan_{plan} {}

    void run(std::uint64_t outstanding) {
        const std::uint64_t first = std::min(outstanding, many_);
        sent_ = first;
        for (std::uint64_t i = 0; i < first; ++i) {
            ask(i);
        }
        ended_.wait();
    }

private:
    struct one_call {
        grpc::ClientContext context;
        Order question;
        Order answer;
    };
    void ask(std::uint64_t id) {
        auto* const one = new one_call;
        one->question = one_;
        one->question.set_id(id);
        one->question.set_sent_at(now_ns());
        server_.async()->Ask(
            &one->context, &one->question, &one->answer, [this, one](const grpc::Status& how) {
                if (!how.ok()) {
                    give_up("a call failed: " + how.error_message());
                }
                answered(std::unique_ptr<one_call>{one});
            });
    }
    void answered(std::unique_ptr<one_call> one) {
        std::uint64_t next = many_;
        bool last = false;
        {
            const std::lock_guard held{lock_};
            plan_.answered(one->answer.sent_at(), now_ns());
            last = ++got_ == many_;
            next = sent_ < many_ ? sent_++ : many_;
        }
        one.reset();
        if (last) {
            ended_.open();
        } else if (next < many_) {
            ask(next);
        }
    }

    orders::Orders::Stub& server_;
    const Order& one_;
    std::uint64_t many_;
    measurement& plan_;
    std::mutex lock_;
    gate ended_;
    std::uint64_t sent_ = 0;
    std::uint64_t got_ = 0;
};

void one_way_run(orders::Orders::Stub& server, Order& one, std::uint64_t many) {
    grpc::ClientContext context;
    Count answer;
    const auto stream = server.Send(&context, &answer);
    grpc::WriteOptions batched;
    batched.set_buffer_hint();
    for (std::uint64_t i = 0; i < many; ++i) {
        one.set_id(i);
        one.set_sent_at(i);
        if (!stream->Write(one, i + 1 < many ? batched : grpc::WriteOptions{})) {
            give_up("the stream ended early");
        }
    }
    stream->WritesDone();
    if (!stream->Finish().ok() || answer.received() != many) {
        give_up("not all orders arrived");
    }
}

void measure(const call& wanted, const std::string& address, bool unary) {
    const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    const auto server = orders::Orders::NewStub(channel);
    Order one;
    one.set_kind(1);
    one.set_flags(7);
    one.set_body(wanted.body());
    measurement plan{wanted};
    while (const std::uint64_t many = plan.next()) {
        if (wanted.outstanding() == 0) {
            one_way_run(*server, one, many);
        } else if (unary) {
            calls{*server, one, many, plan}.run(wanted.outstanding());
        } else {
            exchange{one, many, wanted.outstanding(), plan}.run(*server);
        }
        plan.done();
    }
    plan.report(unary ? "gRPC unary" : "gRPC stream");
    std::_Exit(0);  // There is nobody to whom anything is owed.
}

}  // namespace

int main(int argc, char** argv) {
    const bool unary = std::string{argv[argc - 1]} == "unary";
    const call wanted = read_call(unary ? argc - 1 : argc, argv);
    const std::string address = "127.0.0.1:" + wanted.address;
    if (!wanted.serves) {
        measure(wanted, address, unary);
    }
    service orders;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&orders);
    const auto server = builder.BuildAndStart();
    if (!server) {
        give_up("cannot listen at " + address);
    }
    ready();
    server->Wait();
}
