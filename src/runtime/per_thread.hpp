#pragma once

/// @file
/// A value that is replaced now and then, and read all the time by many threads.
///
/// To keep a value for as long as it is used is to count its users, and a count that two cores
/// change at once costs more than all the rest of a look-up. So each thread is lent the value with
/// a count of its own. A reader compares one number and changes one count, and neither is written
/// by any other thread meanwhile.
///
///     per_thread ── value, number
///         └──────── loans: for each thread that read this value, a reference counted apart
///                     ┆ weak
///     thread ────── places, a fixed number of them: the number seen, and this thread's loan
///
/// Two things go wrong with what threads remember, and both are handled here. A thread that reads
/// no more would keep an old value for ever: but the loans belong to the `per_thread`, and end when
/// the value is replaced, or it ends itself. What a thread keeps until it ends is `places` weak
/// references, with their counts 14 KiB for each type at most. And a place could be taken for that
/// of another object at the same address: but no number is given twice in a process.
///
/// Rejected: a plain copy in each thread (kept for ever by those that sleep); hazard pointers (the
/// answer has to outlive the look-up, so it must be counted anyway).

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace muster::runtime {

/// Says by a number whether something has changed. No two changes in a process have the same one,
/// whatever it was that changed; none is 0.
/// Threads: any.
class edition {
public:
    [[nodiscard]] std::uint64_t number() const noexcept {
        return number_.load(std::memory_order_acquire);
    }
    /// It has changed: whoever knows of this sees another number.
    void changed() noexcept { number_.store(fresh(), std::memory_order_release); }

private:
    static std::uint64_t fresh() noexcept {
        static constinit std::atomic<std::uint64_t> last{0};
        return last.fetch_add(1, std::memory_order_relaxed) + 1;
    }

    std::atomic<std::uint64_t> number_{fresh()};
};

/// A `Memory` for each thread, made when it is first needed, and gone with the thread.
template <class Memory>
class of_this_thread {
public:
    /// Null before `made`, and while the thread ends.
    [[nodiscard]] static Memory* known() noexcept { return here_; }
    /// Null while the thread ends: what runs then remembers nothing.
    [[nodiscard]] static Memory* made() {
        if (here_ == nullptr && !ended_) {
            static thread_local const owner mine;
            here_ = mine.memory.get();
        }
        return here_;
    }

private:
    struct owner {
        owner() = default;
        owner(const owner&) = delete;
        owner& operator=(const owner&) = delete;
        ~owner() {
            here_ = nullptr;
            ended_ = true;
        }
        std::unique_ptr<Memory> memory = std::make_unique<Memory>();
    };

    // Without a constructor to run they are read without a look whether it has.
    inline static constinit thread_local Memory* here_ = nullptr;
    inline static constinit thread_local bool ended_ = false;
};

/// Threads:  any.
/// Lifetime: what was read may be kept for as long as one likes, on any thread.
template <class T>
class per_thread {
public:
    /// As many as these a thread remembers, of each type.
    static constexpr std::size_t places = 64;

    explicit per_thread(std::shared_ptr<const T> first = nullptr) : value_{std::move(first)} {}
    per_thread(const per_thread&) = delete;
    per_thread& operator=(const per_thread&) = delete;

    /// The value as it is, remembered by this thread: for what is read often, by few objects.
    [[nodiscard]] std::shared_ptr<const T> get() const {
        if (const memory* const mine = of_this_thread<memory>::known()) {
            const auto& [seen, loan] = (*mine)[place_];
            if (seen == now_.number()) {
                if (auto value = loan.lock()) {
                    return value;
                }
            }
        }
        return get_anew();
    }

    /// The same, to be remembered by the caller: weakly, and no longer than an `edition` says.
    [[nodiscard]] std::shared_ptr<const T> lend() const {
        const std::lock_guard hold{mutex_};
        return loan();
    }

    /// The same for once.
    [[nodiscard]] std::shared_ptr<const T> read() const {
        const std::lock_guard hold{mutex_};
        return value_;
    }

    /// Once it has returned, whoever knows of it reads `next`, and the old value is kept by those
    /// alone who still use it.
    void replace(std::shared_ptr<const T> next) {
        loan_map ended;
        {
            const std::lock_guard hold{mutex_};
            value_.swap(next);
            loans_.swap(ended);
            now_.changed();
        }
        // The old value is destroyed here, outside the lock.
    }

    /// Replaces a copy changed by `edit`; two of these take turns.
    template <class Edit>
    void change(Edit edit) {
        const std::lock_guard turn{changing_};
        auto copy = std::make_shared<T>(*read());
        edit(*copy);
        replace(std::move(copy));
    }

private:
    using memory = std::array<std::pair<std::uint64_t, std::weak_ptr<const T>>, places>;
    /// By the threads' marks.
    using loan_map =
        std::map<std::weak_ptr<const char>, std::shared_ptr<const T>, std::owner_less<>>;
    struct mark {
        std::shared_ptr<const char> one = std::make_shared<const char>();
    };
    static constexpr std::size_t least_room = 64;
    static constexpr std::size_t cache_line = 64;

    /// Lets go at once: the weak references of a thread keep what a deleter holds. In cache lines
    /// of its own, as the counts before it are: what is allocated in turn is used by two threads.
    struct alignas(cache_line) holding {
        std::shared_ptr<const T> value;
        void operator()(const T* /*same*/) noexcept { value.reset(); }
    };

    [[nodiscard, gnu::noinline]] std::shared_ptr<const T> get_anew() const {
        std::uint64_t seen = 0;
        std::shared_ptr<const T> value;
        {
            const std::lock_guard hold{mutex_};
            seen = now_.number();
            value = loan();
        }
        if (memory* const mine = of_this_thread<memory>::made()) {
            (*mine)[place_] = {seen, value};
        }
        return value;
    }

    [[nodiscard]] std::shared_ptr<const T> loan() const {
        const mark* const thread = of_this_thread<mark>::made();
        if (!value_ || thread == nullptr) {
            return value_;
        }
        if (const auto known = loans_.find(thread->one); known != loans_.end()) {
            return known->second;
        }
        if (loans_.size() >= room_) {
            std::erase_if(loans_, [](const auto& one) { return one.first.expired(); });
            room_ = std::max(least_room, 2 * loans_.size());
        }
        std::shared_ptr<const T> mine{value_.get(), holding{value_}};
        loans_.emplace(thread->one, mine);
        return mine;
    }

    /// In turn, so that objects made together do not push each other out.
    static std::size_t next_place() noexcept {
        static constinit std::atomic<std::size_t> next{0};
        return next.fetch_add(1, std::memory_order_relaxed) % places;
    }

    std::mutex changing_;
    mutable std::mutex mutex_;
    std::shared_ptr<const T> value_;
    edition now_;
    mutable loan_map loans_;
    mutable std::size_t room_ = least_room;
    const std::size_t place_ = next_place();
};

}  // namespace muster::runtime
