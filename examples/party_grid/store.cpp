#include "store.hpp"

#include "postgres_store.hpp"
#include "sqlite_store.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;
using muster::fail;
using muster::result;

constexpr std::size_t idle_readers = 8;

std::size_t bytes_of(const store_write& wanted) {
    std::size_t sum = wanted.resource.size() + wanted.partition.size() + sizeof(store_write);
    for (const change& one : wanted.changes) {
        sum += one.key.size() + (one.value ? one.value->size() : 0) + sizeof(change);
    }
    return sum;
}

result<void> validate(std::string_view resource, std::string_view partition) {
    if (!is_key(resource) || !is_key(partition)) {
        return fail(errc::invalid_argument,
                    "a resource and a partition have names of 1 to 1024 bytes without NUL");
    }
    return {};
}

result<void> validate(const store_write& wanted, const store_limits& limits) {
    if (auto names = validate(wanted.resource, wanted.partition); !names) {
        return names;
    }
    if (wanted.fence < 1) {
        return fail(errc::invalid_argument,
                    "a write needs the fence of its ownership; " + std::to_string(wanted.fence) +
                        " is none");
    }
    for (const change& one : wanted.changes) {
        if (!is_key(one.key)) {
            return fail(errc::invalid_argument,
                        "a key has 1 to 1024 bytes without NUL; this one has " +
                            std::to_string(one.key.size()));
        }
        if (one.value && one.value->size() > limits.value_bytes) {
            return fail(errc::invalid_argument,
                        "the value of " + one.key + " has " + std::to_string(one.value->size()) +
                            " bytes; at most " + std::to_string(limits.value_bytes) + " are kept");
        }
    }
    return {};
}

}  // namespace

/// The queue, the writer thread and the idle readers of a store.
class store::engine {
public:
    engine(opener connect, std::unique_ptr<store_connection> writer, store_limits limits)
        : limits_{limits},
          connect_{std::move(connect)},
          writer_{std::move(writer)},
          thread_{[this] { run(); }} {}

    ~engine() {
        {
            const std::lock_guard lock{queue_mutex_};
            stopping_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }

    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;

    void submit(store_write wanted, on_done done) {
        if (auto good = validate(wanted, limits_); !good) {
            done(std::move(good));
            return;
        }
        if (const auto refused = enqueue(wanted, done)) {
            done(std::unexpected{*refused});
        }
    }

    template <class Ask>
    auto read(Ask ask) -> decltype(ask(std::declval<store_connection&>())) {
        auto reader = take_reader();
        if (!reader) {
            return std::unexpected{reader.error()};
        }
        auto answer = ask(**reader);
        if (answer) {  // A reader that failed may be broken: the next one is a fresh one.
            const std::lock_guard lock{reader_mutex_};
            if (readers_.size() < idle_readers) {
                readers_.push_back(std::move(*reader));
            }
        }
        return answer;
    }

    [[nodiscard]] store_figures figures() const {
        return {writes_.load(), fenced_.load(), commits_.load()};
    }

private:
    struct pending {
        store_write wanted;
        on_done done;
    };

    std::optional<muster::error> enqueue(store_write& wanted, on_done& done) {
        {
            const std::lock_guard lock{queue_mutex_};
            if (stopping_) {
                return muster::error{errc::closed, "the store is closing; nothing was written"};
            }
            if (queue_.size() >= limits_.queued_writes) {
                return muster::error{errc::overloaded,
                                     std::to_string(queue_.size()) +
                                         " writes wait for the store already; try again later"};
            }
            queue_.push_back({std::move(wanted), std::move(done)});
        }
        wake_.notify_one();
        return std::nullopt;
    }

    void run() {
        std::unique_lock lock{queue_mutex_};
        for (;;) {
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) {
                return;
            }
            take_group();
            lock.unlock();
            perform();
            lock.lock();
        }
    }

    /// Moves the head of the queue into `group_` and `callbacks_`.
    void take_group() {
        group_.clear();
        callbacks_.clear();
        std::size_t bytes = 0;
        while (!queue_.empty() && group_.size() < limits_.group_writes) {
            bytes += bytes_of(queue_.front().wanted);
            if (bytes > limits_.group_bytes && !group_.empty()) {
                break;
            }
            group_.push_back(std::move(queue_.front().wanted));
            callbacks_.push_back(std::move(queue_.front().done));
            queue_.pop_front();
        }
    }

    void perform() {
        std::vector<result<void>> outcomes = writer_->commit(group_);
        commits_.fetch_add(1, std::memory_order_relaxed);
        if (group_.size() > 1 && spoiled_by_one(outcomes)) {
            outcomes.clear();
            for (const store_write& one : group_) {
                outcomes.push_back(std::move(writer_->commit({&one, 1}).front()));
            }
        }
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            if (outcomes[i]) {
                writes_.fetch_add(1, std::memory_order_relaxed);
            } else if (outcomes[i].error().code == errc::fenced) {
                fenced_.fetch_add(1, std::memory_order_relaxed);
            }
            callbacks_[i](std::move(outcomes[i]));
        }
        callbacks_.clear();
    }

    /// Whether the database refused the whole group for what may be the fault of one write.
    static bool spoiled_by_one(const std::vector<result<void>>& outcomes) {
        return std::ranges::any_of(outcomes, [](const result<void>& one) {
            return !one && one.error().code == errc::invalid_argument;
        });
    }

    result<std::unique_ptr<store_connection>> take_reader() {
        const std::lock_guard lock{reader_mutex_};
        if (readers_.empty()) {
            return connect_();
        }
        auto reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
    }

    const store_limits limits_;

    std::mutex reader_mutex_;
    opener connect_;
    std::vector<std::unique_ptr<store_connection>> readers_;

    std::mutex queue_mutex_;
    std::condition_variable wake_;
    std::deque<pending> queue_;
    bool stopping_ = false;

    std::atomic<std::uint64_t> writes_{0};
    std::atomic<std::uint64_t> fenced_{0};
    std::atomic<std::uint64_t> commits_{0};

    // Of the writer thread alone.
    std::unique_ptr<store_connection> writer_;
    std::vector<store_write> group_;
    std::vector<on_done> callbacks_;
    std::thread thread_;  // Last: it uses everything above.
};

result<std::unique_ptr<store>> store::open(std::string_view url, store_limits limits) {
    constexpr std::string_view sqlite_scheme = "sqlite:";
    if (url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return over([text = std::string{url}] { return open_postgres(text); }, limits);
    }
    if (url.find("://") != std::string_view::npos) {
        return fail(errc::invalid_argument,
                    "no such kind of store: '" + std::string{url} +
                        "'; give sqlite:PATH, a plain path, or postgres://…");
    }
    const std::string_view path =
        url.starts_with(sqlite_scheme) ? url.substr(sqlite_scheme.size()) : url;
    if (path.empty() || path == ":memory:") {
        return fail(errc::invalid_argument,
                    "the store needs a file that every member can open, not '" + std::string{url} +
                        "'; give a path such as ./parties.db");
    }
    return over([file = std::string{path}] { return open_sqlite(file); }, limits);
}

result<std::unique_ptr<store>> store::over(opener connect, store_limits limits) {
    auto writer = connect();
    if (!writer) {
        return std::unexpected{writer.error()};
    }
    return std::unique_ptr<store>{
        new store{std::make_unique<engine>(std::move(connect), std::move(*writer), limits)}};
}

store::store(std::unique_ptr<engine> inner) : engine_{std::move(inner)} {}

store::~store() = default;

result<std::vector<record>> store::load(std::string_view resource, std::string_view partition) {
    if (auto names = validate(resource, partition); !names) {
        return std::unexpected{names.error()};
    }
    return engine_->read(
        [&](store_connection& reader) { return reader.load(resource, partition); });
}

result<std::uint64_t> store::count(std::string_view resource) {
    return engine_->read([&](store_connection& reader) { return reader.count(resource); });
}

result<void> store::claim(std::string_view resource,
                          std::string_view partition,
                          std::int64_t fence) {
    return write_all({std::string{resource}, std::string{partition}, fence, {}});
}

result<std::vector<record>> store::acquire(std::string_view resource,
                                           std::string_view partition,
                                           std::int64_t fence) {
    if (auto claimed = claim(resource, partition, fence); !claimed) {
        return std::unexpected{claimed.error()};
    }
    return load(resource, partition);
}

result<void> store::write(std::string_view resource,
                          std::string_view partition,
                          std::int64_t fence,
                          std::string key,
                          std::optional<std::string> value) {
    store_write one{std::string{resource}, std::string{partition}, fence, {}};
    one.changes.push_back({std::move(key), std::move(value)});
    return write_all(std::move(one));
}

result<void> store::write_all(store_write wanted) {
    std::promise<result<void>> outcome;
    std::future<result<void>> answer = outcome.get_future();
    submit(std::move(wanted),
           [&outcome](result<void> done) { outcome.set_value(std::move(done)); });
    return answer.get();
}

void store::submit(store_write wanted, on_done done) {
    engine_->submit(std::move(wanted), std::move(done));
}

store_figures store::figures() const {
    return engine_->figures();
}

}  // namespace party_grid
