#include "base/check.hpp"
#include "runtime/quiet_thread.hpp"
#include "runtime/real.hpp"
#include "runtime/real_loop.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace muster::runtime::real {
namespace {

class real_gate final : public gate {
public:
    // Both hold on to the state: who waits is free to destroy the gate as soon as it is open, and
    // whoever opened it may still be inside.
    void open() override {
        const auto held = state_;
        const std::lock_guard lock{held->mutex};
        held->open = true;
        held->changed.notify_all();
    }

    bool wait(instant deadline) override {
        const auto held = state_;
        std::unique_lock lock{held->mutex};
        while (!held->open) {
            const instant now = read_boot_clock();
            if (now >= deadline) {
                return false;
            }
            // In slices: the condition variable's clock stands still while the machine sleeps.
            held->changed.wait_for(lock, std::min<duration>(deadline - now, 250ms));
        }
        return true;
    }

private:
    struct state {
        std::mutex mutex;
        std::condition_variable changed;
        bool open = false;
    };
    const std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// Threads for jobs that block: made when no idle one is there, gone after a while of idleness.
class blocking_pool {
public:
    static constexpr std::size_t max_threads = 64;
    static constexpr std::chrono::seconds max_idle{10};

    ~blocking_pool() {
        if (inside == state_.get()) {
            return;  // The last owner let go inside a job; this thread ends with it.
        }
        std::unique_lock lock{state_->mutex};
        state_->ending = true;
        state_->changed.notify_all();
        state_->ended.wait(lock, [this] { return state_->threads == 0; });
    }

    void run(task_fn job) {
        const std::lock_guard lock{state_->mutex};
        state_->jobs.push_back(std::move(job));
        if (state_->idle >= state_->jobs.size() || state_->threads == max_threads) {
            state_->changed.notify_one();
            return;
        }
        try {
            quiet_thread([held = state_] { held->work(); }).detach();
            ++state_->threads;
        } catch (const std::system_error&) {
            MUSTER_ASSERT(state_->threads > 0, "not one thread to be had for a blocking job");
        }
    }

private:
    struct state {
        std::mutex mutex;
        std::condition_variable changed;
        std::condition_variable ended;
        std::deque<task_fn> jobs;
        std::size_t threads = 0;
        std::size_t idle = 0;
        bool ending = false;

        void work() {
            inside = this;
            ::pthread_setname_np(::pthread_self(), "blocking");
            std::unique_lock lock{mutex};
            while (await_job(lock)) {
                auto job = std::move(jobs.front());
                jobs.pop_front();
                lock.unlock();
                job();
                job = nullptr;
                lock.lock();
            }
            --threads;
            ended.notify_all();
        }

        bool await_job(std::unique_lock<std::mutex>& lock) {
            if (jobs.empty() && !ending) {
                ++idle;
                changed.wait_for(lock, max_idle, [this] { return !jobs.empty() || ending; });
                --idle;
            }
            return !jobs.empty();
        }
    };

    static thread_local const state* inside;
    const std::shared_ptr<state> state_ = std::make_shared<state>();
};

thread_local const blocking_pool::state* blocking_pool::inside = nullptr;

class real_platform final : public platform {
public:
    [[nodiscard]] instant now() const noexcept override { return read_boot_clock(); }
    [[nodiscard]] std::int64_t unix_ms() const noexcept override { return read_unix_ms(); }

    [[nodiscard]] std::shared_ptr<loop> make_loop(std::string name) override {
        return std::make_shared<real_loop>(std::move(name), names_);
    }

    void run_blocking(task_fn job) override { pool_.run(std::move(job)); }
    void run_aside(task_fn job) override { aside_.run(std::move(job)); }

    [[nodiscard]] std::unique_ptr<gate> make_gate() override {
        return std::make_unique<real_gate>();
    }

    [[nodiscard]] std::string host_name() const override {
        std::array<char, 256> name{};
        ::gethostname(name.data(), name.size() - 1);
        return name.data();
    }

    [[nodiscard]] std::string boot_id() const override {
        std::ifstream file{"/proc/sys/kernel/random/boot_id"};
        std::string id;
        std::getline(file, id);
        return id;
    }

    [[nodiscard]] std::int64_t process_number() const override { return ::getpid(); }

    [[nodiscard]] unsigned cores() const override {
        return std::max(1U, std::thread::hardware_concurrency());
    }

    void abort_process(std::string_view why) override {
        // Said only where it can be said at once: a pipe that nobody reads must not keep alive what
        // has to end now. A write that a pipe takes whole never waits.
        std::string line = "muster: aborting: " + std::string{why.substr(0, 1024)} + "\n";
        ::pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
        if (::poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0) {
            static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
        }
        std::abort();
    }

private:
    const std::shared_ptr<resolver> names_ = std::make_shared<resolver>();
    blocking_pool aside_;
    blocking_pool pool_;
};

}  // namespace
}  // namespace muster::runtime::real

namespace muster::runtime {

std::shared_ptr<platform> make_real_platform() {
    return std::make_shared<real::real_platform>();
}

}  // namespace muster::runtime
