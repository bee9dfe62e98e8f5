#include <iostream>
#include <muster/muster.hpp>
#include <string>
using namespace std::chrono_literals;

struct job { using reply = std::string; std::string text; };

muster::process worker(muster::self me) {
    while (auto in = co_await me.receive<job>()) {
        in->reply(in->body.text + ", done by " + me.member().name);
    }
}

muster::process boss(muster::self me) {
    while (auto in = co_await me.receive<job>()) {
        const auto workers = co_await me.find("worker");
        const auto next = workers ? workers->pick(muster::round_robin) : std::nullopt;
        if (next) in->forward(*next);
        else in->fail("no worker is up");
    }
}

int main(int argc, char** argv) {
    if (argc > 1) {  // somebody with a job: find the boss, ask, leave
        muster::client client{"jobs"};
        const auto answer = client.global("boss").within(10s).ask<job>(argv[1]).get();
        if (!answer) {
            std::cerr << answer.error().text << '\n';
            return 1;
        }
        std::cout << *answer << '\n';
        return 0;
    }
    muster::node node{"jobs"};  // a worker that may become the boss
    node.register_name("worker", node.spawn(worker));
    node.candidate("boss", boss);
    return node.run();
}
