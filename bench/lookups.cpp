/// @file
/// Look-ups that are answered at once, by whole nodes in this process and a keeper beside them,
/// from one thread and from two at once: one JSON line for each.
///
///     bench_lookups [--scale percent]

#include "muster/muster.hpp"

#include "runtime/real.hpp"
#include "zookeeper/keeper.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t partitions = 1000;
constexpr int rounds = 5;
constexpr std::size_t slices = 200;

struct touch {
    using reply = void;
    std::string key;
};

/// A partition; the first that is made lends its right.
struct shelf {
    using handles = muster::requests<touch>;
    explicit shelf(muster::ownership mine) {
        if (!taken.exchange(true)) {
            right = std::move(mine);
            has_right.store(true);
        }
    }
    void on(const touch& /*what*/) const {}

    static inline std::atomic<bool> taken{false};
    static inline std::atomic<bool> has_right{false};
    static inline muster::ownership right;
};

muster::process waiting(muster::self me) {
    const auto never = co_await me.receive<touch>();
    static_cast<void>(never);
}

void require(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "bench_lookups: %s\n", what);
        std::exit(1);
    }
}

void until(const std::function<bool()>& holds, const char* what) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!holds()) {
        require(std::chrono::steady_clock::now() < end, what);
        std::this_thread::sleep_for(5ms);
    }
}

/// A keeper on a loop of its own.
class servers {
public:
    servers() {
        const auto ready = machine_->make_gate();
        loop_->post([this, &ready] {
            muster::zookeeper::keeper_options how;
            how.listen = {"127.0.0.1", 0};
            auto made = muster::zookeeper::keeper::start(loop_, how);
            require(made.has_value(), "the keeper did not start");
            keeper_ = std::move(*made);
            port_ = keeper_->local().port;
            ready->open();
        });
        require(ready->wait(machine_->now() + 10s), "the keeper did not start");
    }
    servers(const servers&) = delete;
    servers& operator=(const servers&) = delete;
    ~servers() {
        const auto ended = machine_->make_gate();
        loop_->post([this, &ended] {
            keeper_.reset();
            ended->open();
        });
        static_cast<void>(ended->wait(machine_->now() + 10s));
        loop_->stop();
    }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

private:
    std::shared_ptr<muster::runtime::platform> machine_ = muster::runtime::make_real_platform();
    std::shared_ptr<muster::runtime::loop> loop_ = machine_->make_loop("keeper");
    std::unique_ptr<muster::zookeeper::keeper> keeper_;
    std::uint16_t port_ = 0;
};

muster::config settings(const std::string& name, const std::string& zookeeper) {
    muster::config one;
    one.cluster = "bench";
    one.name = name;
    one.zookeeper = zookeeper;
    one.workers = 1;
    return one;
}

std::string first_key(std::uint32_t number) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "user:%06u", number);
    return text.data();
}

muster::by_range ranges() {
    muster::by_range how;
    for (std::uint32_t i = 0; i < partitions; ++i) {
        how.from.push_back(first_key(i));
    }
    return how;
}

/// The median time of a call of `one(i)` on this thread. By many short slices, so that one in which
/// the thread was put aside does not count; what `one` returns is added up and looked at, so that
/// nothing is left out.
template <class One>
double median_slice(std::uint64_t calls, const One& one) {
    std::array<double, slices> times{};
    std::uint64_t sum = 0;
    std::uint64_t number = 0;
    const std::uint64_t each = std::max<std::uint64_t>(calls / slices, 1);
    for (double& time : times) {
        const auto begin = std::chrono::steady_clock::now();
        for (std::uint64_t i = 0; i < each; ++i) {
            sum += one(number++);
        }
        const auto took = std::chrono::steady_clock::now() - begin;
        time = std::chrono::duration<double, std::nano>(took).count() / static_cast<double>(each);
    }
    require(sum != 0, "nothing was found");
    std::ranges::sort(times);
    return times[slices / 2];
}

/// The median over the rounds; of several threads at once, the slowest counts.
template <class One>
double measured(std::ptrdiff_t threads, std::uint64_t calls, const One& one) {
    std::vector<double> times;
    for (int round = 0; round < rounds; ++round) {
        std::vector<double> each(static_cast<std::size_t>(threads));
        std::barrier together{threads};
        std::vector<std::thread> runners;
        for (double& mine : each) {
            runners.emplace_back([&] {
                static_cast<void>(one(0));  // What the first call of a thread makes is there then.
                together.arrive_and_wait();
                mine = median_slice(calls, one);
                together.arrive_and_wait();
            });
        }
        for (std::thread& runner : runners) {
            runner.join();
        }
        times.push_back(std::ranges::max(each));
    }
    std::ranges::sort(times);
    return times[times.size() / 2];
}

template <class One>
void report(const std::string& mode, std::uint64_t calls, const One& one) {
    for (const int threads : {1, 2}) {
        std::printf("{\"peer\":\"muster\",%s,\"threads\":%d,\"ns_each\":%.1f}\n",
                    mode.c_str(),
                    threads,
                    measured(threads, calls, one));
        std::fflush(stdout);
    }
}

void measure_find(muster::node& ann, muster::node& bob, std::uint64_t calls) {
    for (const unsigned many : {1U, 10U, 50U}) {
        const std::string name = "worker-" + std::to_string(many);
        for (unsigned i = 0; i < many; ++i) {
            muster::node& home = i % 2 == 0 ? ann : bob;
            require(home.register_name(name, home.spawn(waiting)).has_value(), "no name");
        }
        until(
            [&] {
                const auto all = ann.find(name).get();
                return all && all->size() == many;
            },
            "the instances were not found");
        report(R"("mode":"find","instances":)" + std::to_string(many), calls, [&](std::uint64_t) {
            const auto all = ann.find(name).get();
            return all ? all->size() : 0;
        });
    }
}

void measure_route(muster::node& ann,
                   const std::string& resource,
                   const std::vector<std::string>& keys,
                   std::uint64_t calls) {
    const auto shelves = ann.use<shelf>(resource);
    until(
        [&] {
            return std::ranges::all_of(keys, [&](const std::string& key) {
                const auto where = shelves.route(key);
                return where && !where->address.empty();
            });
        },
        "a partition has no owner");
    report(R"("mode":"route","resource":")" + resource + R"(","partitions":)" +
               std::to_string(partitions),
           calls,
           [&](std::uint64_t i) {
               const auto where = shelves.route(keys[i % keys.size()]);
               return where ? static_cast<std::uint64_t>(where->plan) : 0;
           });
}

std::uint64_t boot_time() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_nsec);
}

void measure_all(std::uint64_t calls) {
    const servers keeper;
    muster::node ann{settings("ann", keeper.address())};
    muster::node bob{settings("bob", keeper.address())};
    for (muster::node* one : {&ann, &bob}) {
        static_cast<void>(one->serve<shelf>("hash", muster::by_hash{.partitions = partitions}));
        static_cast<void>(one->serve<shelf>("range", ranges()));
        const auto started = one->start();
        require(started.has_value(), started ? "" : started.error().text.c_str());
    }
    until([] { return shelf::has_right.load() && shelf::right.valid(); }, "nothing is owned");
    std::vector<std::string> hashed;
    std::vector<std::string> ranged;
    for (std::uint32_t i = 0; i < partitions; ++i) {
        hashed.push_back("customer " + std::to_string(i * 7919));
        ranged.push_back(first_key(i * 7919 % partitions) + "/order");
    }
    report(R"("mode":"boot_time")", calls, [](std::uint64_t) { return boot_time(); });
    report(R"("mode":"valid")", calls, [](std::uint64_t) {
        return static_cast<std::uint64_t>(shelf::right.valid());
    });
    measure_find(ann, bob, calls);
    measure_route(ann, "hash", hashed, calls);
    measure_route(ann, "range", ranged, calls);
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t percent = 100;
    if (argc == 3 && std::strcmp(argv[1], "--scale") == 0) {
        percent = std::strtoull(argv[2], nullptr, 10);
    } else if (argc != 1) {
        std::fputs("usage: bench_lookups [--scale percent]\n", stderr);
        return 2;
    }
    measure_all(std::max<std::uint64_t>(50'000 * percent, 1000));
    return 0;
}
