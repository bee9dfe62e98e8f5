#include "node/global_seats.hpp"

#include "muster/message.hpp"

#include "node/global_wire.hpp"
#include "node/held_right.hpp"

#include <atomic>
#include <utility>

namespace muster::detail {
namespace {

ask_answer plain(ask_end how) {
    return {.how = how, .body = {}, .code = 0, .text = {}};
}

}  // namespace

/// One process, and the right that it acts under.
/// Threads: any, but what the control loop alone keeps.
class global_seats::seat final : public process_right {
public:
    seat(std::shared_ptr<cluster::right> given,
         std::shared_ptr<const staged_body> staged,
         const settings& how)
        : mine{std::move(given)},
          body{std::move(staged)},
          ownership_{std::make_shared<held_right>(mine, how.platform, how.home)},
          platform_{how.platform},
          unread_{how.unread} {}

    /// While the lease holds it may say what it has to say, also while a plan stops it.
    [[nodiscard]] bool allowed() const noexcept override {
        return !over_.load(std::memory_order_acquire) && mine->lease_holds(platform_->now());
    }
    [[nodiscard]] ownership held() const override { return ownership{ownership_}; }
    void unread(std::vector<parcel_ptr> messages) override {
        unread_(partition(), std::move(messages));
    }
    /// For good.
    void silence() noexcept { over_.store(true, std::memory_order_release); }
    [[nodiscard]] bool is_silent() const noexcept { return over_.load(std::memory_order_acquire); }
    [[nodiscard]] const std::string& partition() const noexcept { return mine->what().partition; }

    const std::shared_ptr<cluster::right> mine;
    const std::shared_ptr<const staged_body> body;
    pid who;  ///< set before others see the seat
    // The control loop's:
    bool has_ended = false;
    bool entered = false;
    callback<> stopped;
    std::unique_ptr<runtime::timer> patience;

private:
    const std::shared_ptr<held_right> ownership_;
    const std::shared_ptr<runtime::platform> platform_;
    const std::function<void(const std::string&, std::vector<parcel_ptr>)> unread_;
    std::atomic<bool> over_{false};
};

global_seats::global_seats() = default;
global_seats::~global_seats() = default;

void global_seats::stage(const std::string& partition, std::shared_ptr<const staged_body> body) {
    staged_.change([&](staged_map& all) { all.insert_or_assign(partition, std::move(body)); });
}

void global_seats::close() {
    closed_ = true;
    for (const auto& [right, one] : std::exchange(all_, {})) {
        one->silence();
        one->patience.reset();
        if (std::exchange(one->entered, false)) {
            one->mine->leave();
        }
    }
    seats_.replace(std::make_shared<const seat_map>());
    staged_.replace(std::make_shared<const staged_map>());
}

// --- Rights that come and go ---------------------------------------------------------------------

void global_seats::acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) {
    const std::string& partition = mine->what().partition;
    const auto known = staged_.read();
    const auto found = known->find(partition);
    if (closed_ || found == known->end()) {
        done(fail(errc::not_found, "no body is staged here for '" + partition + "'"));
        return;
    }
    const auto one = std::make_shared<seat>(mine, found->second, how_);
    one->entered = how_.outlived && mine->enter(how_.platform->now());
    if (how_.outlived && !one->entered) {
        done(fail(errc::fenced, "the right ended before the process could begin"));
        return;
    }
    // Made where the process runs: it is code of the user's.
    one->who = how_.processes->spawn_under(
        [body = one->body, made = std::move_only_function<process(self)>{}](self me) mutable {
            made = body->make();
            return made(me);
        },
        one);
    all_.insert_or_assign(mine.get(), one);
    seats_.change([&](seat_map& all) { all.insert_or_assign(partition, one); });
    how_.say(severity::info,
             "global.started",
             partition + " as " + one->who.text() + ", fence " +
                 std::to_string(mine->what().fence.value()));
    how_.processes->watch(
        one->who,
        [weak = weak_from_this(), one, control = how_.control](const pid&, const exit_reason& why) {
            one->silence();
            if (const auto self = weak.lock()) {
                self->how_.ended(one->partition(), one->who);
                control->post([self, one, why] { self->ended(one, why); });
            }
        });
    done({});
}

/// On the control loop: nothing of the process is left.
void global_seats::ended(const std::shared_ptr<seat>& one, const exit_reason& why) {
    if (closed_ || std::exchange(one->has_ended, true)) {
        return;
    }
    one->patience.reset();
    if (std::exchange(one->entered, false)) {
        one->mine->leave();
    }
    seats_.change([&](seat_map& all) {
        if (const auto found = all.find(one->partition());
            found != all.end() && found->second == one) {
            all.erase(found);
        }
    });
    if (one->stopped) {
        finish(one, std::exchange(one->stopped, {}));
        return;
    }
    const bool valid = one->mine->valid(how_.platform->now());
    how_.say(why.normal() ? severity::info : severity::warning,
             "global.ended",
             one->partition() + " as " + one->who.text() +
                 (why.text.empty() ? " ended" : " ended: " + why.text));
    if (how_.outlived) {
        all_.erase(one->mine.get());
    }
    if (valid) {
        how_.left(one->mine);
    }
}

void global_seats::finish(const std::shared_ptr<seat>& one, callback<> done) {
    all_.erase(one->mine.get());
    how_.no_longer_stuck(one->mine->what());
    done();
}

void global_seats::release(std::shared_ptr<cluster::right> mine, callback<> done) {
    const auto found = all_.find(mine.get());
    if (found == all_.end()) {
        done();
        return;
    }
    const auto one = found->second;
    if (one->has_ended) {
        finish(one, std::move(done));
        return;
    }
    one->stopped = std::move(done);
    how_.processes->ask_to_end(one->who);
    one->patience = how_.control->make_timer();
    one->patience->set(how_.control->now() + how_.release_deadline,
                       [weak = weak_from_this(), which = std::weak_ptr{one}] {
                           if (const auto self = weak.lock()) {
                               self->stop_late(which);
                           }
                       });
}

/// It has had its time to end by itself. Where it never waits, the partition stays until it does.
void global_seats::stop_late(const std::weak_ptr<seat>& which) {
    const auto one = which.lock();
    if (!one || one->has_ended || closed_) {
        return;
    }
    how_.say(severity::warning,
             "global.release_late",
             one->partition() +
                 " has not ended within its release deadline; it is killed where it "
                 "waits next, and the partition stays here until then");
    how_.processes->kill(one->who);
}

void global_seats::revoke(std::shared_ptr<cluster::right> mine, callback<> done) {
    const auto found = all_.find(mine.get());
    if (found == all_.end()) {
        done();
        return;
    }
    const auto one = found->second;
    one->silence();
    if (one->has_ended) {
        finish(one, std::move(done));
        return;
    }
    one->stopped = std::move(done);
    how_.processes->kill(one->who);
}

bool global_seats::still_runs(const cluster::right& mine) const {
    const auto found = all_.find(&mine);
    return found != all_.end() && !found->second->has_ended && found->second->runs_code();
}

std::vector<std::shared_ptr<cluster::right>> global_seats::outdated() const {
    std::vector<std::shared_ptr<cluster::right>> found;
    const auto known = staged_.read();
    for (const auto& [right, one] : all_) {
        const auto now = known->find(one->partition());
        if (!one->has_ended && !one->stopped && now != known->end() && now->second != one->body) {
            found.push_back(one->mine);
        }
    }
    return found;
}

muster::on_stuck global_seats::on_stuck_of(const cluster::right::identity& what) const {
    for (const auto& [right, one] : all_) {
        if (one->partition() == what.partition && right->what().fence == what.fence) {
            return one->body->on_stuck;
        }
    }
    return muster::on_stuck::abort;
}

// --- Who is it? ----------------------------------------------------------------------------------

void global_seats::call(std::string_view partition, partition_call one) {
    const auto known = seats_.read();
    const auto found = known->find(partition);
    if (found == known->end()) {
        one.answer(plain(ask_end::not_owner));
        return;
    }
    const seat& here = *found->second;
    const instant now = how_.platform->now();
    const std::int64_t fence = here.mine->what().fence.value();
    if (!here.mine->lease_holds(now)) {
        one.answer(plain(ask_end::stranded));
    } else if (here.is_silent() || !here.mine->valid(now) || one.fence > fence) {
        one.answer(plain(ask_end::moving));
    } else if (one.type != where_now::wire_name) {
        one.answer({.how = ask_end::failed,
                    .body = {},
                    .code = static_cast<std::uint8_t>(errc::incompatible),
                    .text = "a global is asked by its process's address"});
    } else {
        one.answer({.how = ask_end::answered,
                    .body = encode(located{here.who, fence}),
                    .code = 0,
                    .text = {}});
    }
}

}  // namespace muster::detail
