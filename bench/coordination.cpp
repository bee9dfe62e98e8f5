// Members for bench/coordination.py: one a process, for hand-over times, or many in one process,
// for the traffic that a join or a leave causes.

#include "cluster/member.hpp"
#include "runtime/real.hpp"
#include "runtime/real_signals.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace muster;
using namespace std::chrono_literals;

std::shared_ptr<runtime::platform> machine;

/// One write a line, so that lines of a killed process are whole.
void say(const std::string& line) {
    const std::string out = line + "\n";
    static_cast<void>(!write(STDOUT_FILENO, out.data(), out.size()));
}

std::string now_text() { return std::to_string(machine->now().time_since_epoch().count()); }

class told_owner final : public cluster::owner_host {
public:
    explicit told_owner(bool quiet) : quiet_{quiet} {}
    void acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) override {
        tell("acquire", *mine);
        done({});
    }
    void release(std::shared_ptr<cluster::right> mine, callback<> done) override {
        tell("release", *mine);
        done();
    }
    void revoke(std::shared_ptr<cluster::right> mine, callback<> done) override {
        tell("revoke", *mine);
        done();
    }

private:
    void tell(const char* what, const cluster::right& mine) const {
        if (!quiet_) {
            say(std::string{what} + " " + now_text() + " " + mine.what().partition + " " +
                std::to_string(mine.what().fence.value()));
        }
    }
    bool quiet_;
};

class told_member final : public cluster::member_host {
public:
    told_member(std::string name, bool quiet) : name_{std::move(name)}, quiet_{quiet} {}
    void became(member_id, std::chrono::milliseconds timeout) override {
        if (!quiet_) {
            say("timeout " + std::to_string(timeout.count()));
        }
    }
    void stepped(cluster::lifecycle, cluster::lifecycle to) override {
        if (!quiet_) {
            say("state " + now_text() + " " + std::to_string(static_cast<int>(to)));
        }
    }
    void view_changed(std::shared_ptr<const cluster::view_snapshot> now) override {
        members.store(now->members.size());
    }
    void plan_changed(std::shared_ptr<const cluster::plan_snapshot>) override {}
    void leadership(bool gained, leader_epoch) override {
        if (!quiet_) {
            say("leader " + now_text() + " " + (gained ? "1" : "0"));
        }
    }
    void initialize(std::vector<cluster::right::identity>, callback<result<void>> done) override {
        done({});
    }
    void failed(const error& why) override {
        std::fprintf(stderr, "%s: %s\n", name_.c_str(), why.text.c_str());
        std::_Exit(1);
    }
    void resource_trouble(const std::string& resource, const error& why) override {
        std::fprintf(stderr, "%s: %s: %s\n", name_.c_str(), resource.c_str(), why.text.c_str());
    }
    void stuck(const cluster::right::identity&) override { std::abort(); }

    std::atomic<std::size_t> members{0};

private:
    std::string name_;
    bool quiet_;
};

/// A member with a control loop of its own, or one that it shares.
struct running {
    std::shared_ptr<runtime::loop> loop;
    std::shared_ptr<told_member> host;
    std::unique_ptr<cluster::member> member;
};

std::unique_ptr<running> join(std::shared_ptr<runtime::loop> loop, const std::string& servers,
                              const std::string& name, std::uint32_t partitions, bool quiet) {
    auto one = std::make_unique<running>();
    one->loop = std::move(loop);
    one->host = std::make_shared<told_member>(name, quiet);
    cluster::member_settings settings;
    settings.cluster = "bench";
    settings.initializes = false;
    settings.self.name = name;
    settings.self.address = "127.0.0.1:1";
    settings.servers = *zookeeper::connect_string::parse(servers);
    cluster::specification spec;
    spec.partitions = partitions;
    spec.effects = cluster::effects_policy::fenced;
    spec.handover_delay = 0ms;
    const std::shared_ptr<runtime::gate> ready = machine->make_gate();
    one->loop->post([&] {
        one->member = cluster::member::start(
            one->loop, std::move(settings), one->host,
            [](task_fn job) { machine->run_blocking(std::move(job)); });
        if (partitions > 0) {
            one->member->serve("work", spec, std::make_shared<told_owner>(quiet));
        }
        ready->open();
    });
    ready->wait(never);
    return one;
}

void leave(running& one) {
    const std::shared_ptr<runtime::gate> gone = machine->make_gate();
    one.loop->post([&] {
        one.member->leave(one.loop->now() + 20s, [gone](const result<void>&) { gone->open(); });
    });
    gone->wait(never);
    const std::shared_ptr<runtime::gate> dropped = machine->make_gate();
    one.loop->post([&] {
        one.member.reset();
        dropped->open();
    });
    dropped->wait(never);
}

int single(const std::string& servers, const std::string& name, std::uint32_t partitions) {
    runtime::signal_watch signals;
    auto one = join(machine->make_loop("control"), servers, name, partitions, false);
    static_cast<void>(signals.wait());
    say("leaving " + now_text());
    leave(*one);
    say("left " + now_text());
    std::_Exit(0);
}

/// Reads commands: "join NAME", "leave NAME", "members" (prints the smallest view).
int crowd(const std::string& servers, std::size_t count) {
    std::vector<std::shared_ptr<runtime::loop>> loops{machine->make_loop("crowd")};
    std::map<std::string, std::unique_ptr<running>> all;
    const auto settle = [&](std::size_t expected) {
        for (const auto& [name, one] : all) {
            while (one->host->members.load() != expected) {
                std::this_thread::sleep_for(2ms);
            }
        }
    };
    for (std::size_t i = 0; i < count; ++i) {
        const std::string name = "m" + std::to_string(i);
        all[name] = join(loops[0], servers, name, 0, true);
    }
    settle(count);
    say("ready");
    char line[256];
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
        std::string text{line};
        text.erase(text.find_last_not_of("\r\n") + 1);
        const std::string name = text.substr(text.find(' ') + 1);
        if (text.starts_with("join ")) {
            all[name] = join(loops[0], servers, name, 0, true);
        } else if (text.starts_with("leave ")) {
            leave(*all.at(name));
            all.erase(name);
        }
        settle(all.size());
        say("settled " + std::to_string(all.size()));
    }
    std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
    machine = runtime::make_real_platform();
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 4 && words[0] == "member") {
        return single(words[1], words[2], static_cast<std::uint32_t>(std::stoul(words[3])));
    }
    if (words.size() == 3 && words[0] == "crowd") {
        return crowd(words[1], std::stoul(words[2]));
    }
    std::fprintf(stderr,
                 "usage: bench_coordination member SERVERS NAME PARTITIONS\n"
                 "       bench_coordination crowd SERVERS MEMBERS\n");
    return 2;
}
