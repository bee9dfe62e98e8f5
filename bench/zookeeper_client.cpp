// Our ZooKeeper client beside the official C client, on one server, in turn. Prints JSON lines.
//
//     bench_zookeeper_client SERVER [ROUNDS [OPERATIONS]]
//
// SERVER is host:port of a running server, or "keeper" for one of ours, in a process of its own.
// Per round and client: one blocking caller (p50 of get, set and create, from a thread that is not
// the client's), the same without a change of thread, and sets with a window of 256 outstanding.
// CPU is that of this process, so the server's is not in it.

#include "runtime/real.hpp"
#include "zookeeper/client.hpp"
#include "zookeeper/keeper.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
namespace zk = muster::zookeeper;
using namespace std::chrono_literals;

constexpr int window = 256;
const std::string value(64, 'v');
const std::string target = "/bench";

double cpu_us() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto us = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
    };
    return us(used.ru_utime) + us(used.ru_stime);
}

double elapsed_us(clock_type::time_point since) {
    return std::chrono::duration<double, std::micro>(clock_type::now() - since).count();
}

/// One thread waits, another counts.
class latch {
public:
    void open() {
        const std::lock_guard hold{mutex_};
        is_open_ = true;
        opened_.notify_one();
    }
    void wait() {
        std::unique_lock hold{mutex_};
        opened_.wait(hold, [this] { return is_open_; });
        is_open_ = false;
    }

private:
    std::mutex mutex_;
    std::condition_variable opened_;
    bool is_open_ = false;
};

enum class operation { get, set, create };
const char* name_of(operation what) {
    return what == operation::get ? "get" : what == operation::set ? "set" : "create";
}

/// What both clients can do; `done` runs on the client's thread.
class rival {
public:
    virtual ~rival() = default;
    virtual const char* name() const = 0;
    virtual void begin(operation what, const std::string& path, std::function<void()> done) = 0;
    /// Runs `task` on the client's own thread, where it has one that takes tasks.
    virtual void on_own_thread(std::function<void()> task) = 0;
};

class our_client final : public rival {
public:
    explicit our_client(const std::string& server)
        : platform_(muster::runtime::make_real_platform()), loop_(platform_->make_loop("bench")) {
        latch up;
        loop_->post([&] {
            zk::client_options options;
            options.servers = zk::connect_string::parse(server).value();
            options.session_timeout = 10s;
            client_ = zk::client::start(loop_, options, [&](const zk::session_change& change) {
                if (change.state == zk::session_state::connected) {
                    up.open();
                }
            });
        });
        up.wait();
    }
    ~our_client() override {
        latch down;
        loop_->post([&] {
            client_->close(loop_->now() + 5s, [&](zk::reply<zk::nothing>) { down.open(); });
        });
        down.wait();
        loop_->post([this] { client_.reset(); });
        loop_->stop();
    }
    const char* name() const override { return "muster"; }
    void on_own_thread(std::function<void()> task) override {
        loop_->post([task = std::move(task)] { task(); });
    }
    void begin(operation what, const std::string& path, std::function<void()> done) override {
        if (!loop_->is_current()) {
            loop_->post([this, what, path, done = std::move(done)]() mutable {
                begin(what, path, std::move(done));
            });
            return;
        }
        const auto by = loop_->now() + 30s;
        const auto finish = [done = std::move(done)](const auto& got) {
            if (!got.ok()) {
                std::fprintf(stderr, "muster: %s\n", got.text.c_str());
                std::exit(1);
            }
            done();
        };
        switch (what) {
            case operation::get:
                client_->get(path, {}, by, finish);
                break;
            case operation::set:
                client_->set(path, value, -1, by, finish);
                break;
            case operation::create:
                client_->create({path, value, zk::create_mode::ephemeral, {}, {}}, by, finish);
                break;
        }
    }

private:
    std::shared_ptr<muster::runtime::platform> platform_;
    std::shared_ptr<muster::runtime::loop> loop_;
    std::unique_ptr<zk::client> client_;
};

class c_client final : public rival {
public:
    explicit c_client(const std::string& server) {
        zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
        handle_ = zookeeper_init(
            server.c_str(),
            [](zhandle_t*, int, int state, const char*, void* me) {
                if (state == ZOO_CONNECTED_STATE) {
                    static_cast<c_client*>(me)->up_.open();
                }
            },
            10'000,
            nullptr,
            this,
            0);
        up_.wait();
    }
    ~c_client() override { zookeeper_close(handle_); }
    const char* name() const override { return "c"; }
    void on_own_thread(std::function<void()> task) override {
        begin(operation::get, target, std::move(task));
    }
    void begin(operation what, const std::string& path, std::function<void()> done) override {
        auto* waiting = new std::function<void()>{std::move(done)};
        const auto size = static_cast<int>(value.size());
        int failed = 0;
        switch (what) {
            case operation::get:
                failed = zoo_aget(
                    handle_,
                    path.c_str(),
                    0,
                    [](int rc, const char*, int, const Stat*, const void* w) { end(rc, w); },
                    waiting);
                break;
            case operation::set:
                failed = zoo_aset(
                    handle_,
                    path.c_str(),
                    value.c_str(),
                    size,
                    -1,
                    [](int rc, const Stat*, const void* w) { end(rc, w); },
                    waiting);
                break;
            case operation::create:
                failed = zoo_acreate(
                    handle_,
                    path.c_str(),
                    value.c_str(),
                    size,
                    &ZOO_OPEN_ACL_UNSAFE,
                    ZOO_EPHEMERAL,
                    [](int rc, const char*, const void* w) { end(rc, w); },
                    waiting);
                break;
        }
        if (failed != ZOK) {
            end(failed, waiting);
        }
    }

private:
    static void end(int rc, const void* waiting) {
        if (rc != ZOK) {
            std::fprintf(stderr, "c client: %s\n", zerror(rc));
            std::exit(1);
        }
        const std::unique_ptr<const std::function<void()>> done{
            static_cast<const std::function<void()>*>(waiting)};
        (*done)();
    }
    latch up_;
    zhandle_t* handle_ = nullptr;
};

struct figures {
    double p50_us = 0;
    double per_second = 0;
    double cpu_us_each = 0;
};

void print(const rival& who, const std::string& server, const std::string& what, figures f) {
    std::printf("{\"bench\":\"zookeeper_client\",\"server\":\"%s\",\"client\":\"%s\","
                "\"what\":\"%s\",\"p50_us\":%.1f,\"ops_per_s\":%.0f,\"cpu_us_per_op\":%.2f}\n",
                server.c_str(),
                who.name(),
                what.c_str(),
                f.p50_us,
                f.per_second,
                f.cpu_us_each);
    std::fflush(stdout);
}

std::string path_for(operation what, const std::string& prefix, int i) {
    return what == operation::create ? prefix + std::to_string(i) : target;
}

figures sum_up(std::vector<double> each, double all_us, double cpu) {
    const auto many = static_cast<double>(each.size());
    std::nth_element(each.begin(), each.begin() + static_cast<long>(each.size() / 2), each.end());
    return {each[each.size() / 2], many / all_us * 1e6, cpu / many};
}

/// A thread that is not the client's asks and waits.
figures blocking(rival& who, operation what, const std::string& prefix, int count) {
    std::vector<double> each;
    latch answered;
    const double cpu = cpu_us();
    const auto begun = clock_type::now();
    for (int i = 0; i < count; ++i) {
        const auto asked = clock_type::now();
        who.begin(what, path_for(what, prefix, i), [&] { answered.open(); });
        answered.wait();
        each.push_back(elapsed_us(asked));
    }
    return sum_up(std::move(each), elapsed_us(begun), cpu_us() - cpu);
}

/// Each completion asks again, on the client's thread: `outstanding` at a time.
figures chained(rival& who, operation what, const std::string& prefix, int count, int outstanding) {
    std::vector<double> each;
    each.reserve(static_cast<std::size_t>(count));
    latch finished;
    int asked = 0;
    std::function<void()> next = [&] {
        if (asked == count) {
            return;
        }
        const int i = asked++;
        who.begin(what, path_for(what, prefix, i), [&, since = clock_type::now()] {
            each.push_back(elapsed_us(since));
            if (each.size() == static_cast<std::size_t>(count)) {
                finished.open();
            } else {
                next();
            }
        });
    };
    const double cpu = cpu_us();
    const auto begun = clock_type::now();
    who.on_own_thread([&] {
        for (int i = 0; i < outstanding; ++i) {
            next();
        }
    });
    finished.wait();
    return sum_up(std::move(each), elapsed_us(begun), cpu_us() - cpu);
}

/// A keeper in a process of its own; its address.
std::string start_keeper() {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0 || signal(SIGCHLD, SIG_IGN) == SIG_ERR) {
        std::exit(1);
    }
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const auto platform = muster::runtime::make_real_platform();
        const auto loop = platform->make_loop("keeper");
        std::unique_ptr<zk::keeper> keeper;
        loop->post([&] {
            zk::keeper_options options;
            options.listen.port = 0;
            keeper = std::move(zk::keeper::start(loop, options).value());
            const std::string where = keeper->local().text() + "\n";
            if (write(pipe_ends[1], where.data(), where.size()) < 0) {
                std::exit(1);
            }
        });
        pause();
    }
    char text[64] = {};
    const ssize_t size = read(pipe_ends[0], text, sizeof text - 1);
    return size > 1 ? std::string(text, static_cast<std::size_t>(size) - 1) : std::string{};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s SERVER|keeper [ROUNDS [OPERATIONS]]\n", argv[0]);
        return 2;
    }
    const std::string kind = std::string{argv[1]} == "keeper" ? "keeper" : "zookeeper";
    const std::string server = kind == "keeper" ? start_keeper() : argv[1];
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
    const int count = argc > 3 ? std::atoi(argv[3]) : 5000;

    our_client ours{server};
    c_client theirs{server};
    latch made;
    ours.begin(operation::create, target, [&] { made.open(); });
    made.wait();
    // Round -1 warms the server up, whose code is compiled as it runs.
    for (int round = -1; round < rounds; ++round) {
        for (rival* who : {static_cast<rival*>(&ours), static_cast<rival*>(&theirs)}) {
            const std::string prefix =
                "/b-" + std::string{who->name()} + "-" + std::to_string(round) + "-";
            for (const operation what : {operation::get, operation::set, operation::create}) {
                const figures one = blocking(*who, what, prefix + "b", count);
                const figures own = chained(*who, what, prefix + "c", count, 1);
                if (round >= 0) {
                    print(*who, kind, std::string{"blocking_"} + name_of(what), one);
                    print(*who, kind, std::string{"chained_"} + name_of(what), own);
                }
            }
            const figures many = chained(*who, operation::set, prefix, count * 10, window);
            if (round >= 0) {
                print(*who, kind, "set_window_256", many);
            }
        }
    }
    return 0;
}
