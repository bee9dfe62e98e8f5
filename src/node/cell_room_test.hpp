#pragma once

/// @file
/// A partition alone in a simulated world, and a class of the user's that tells what happens to it.

#include "muster/node.hpp"

#include "node/partition_cell.hpp"
#include "runtime/sim/world.hpp"

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace muster::detail {

/// What a test sees and steers, shared by all the objects it makes.
struct stage {
    std::vector<std::string> told;
    std::string constructor_throws;  ///< "" : it does not
    std::vector<completer<std::string>> held;
};

struct echo {
    using reply = std::string;
    std::string key;
};
struct note {
    using reply = void;
    std::string key;
};
struct hold {
    using reply = std::string;
    std::string key;
};
struct fail_with {
    using reply = std::string;
    std::string key;
};
struct throw_now {
    using reply = void;
    std::string key;
};

class actor {
public:
    using handles = requests<echo, note, hold, fail_with, throw_now>;
    actor(ownership mine, std::shared_ptr<stage> on) : mine_{std::move(mine)}, on_{std::move(on)} {
        if (!on_->constructor_throws.empty()) {
            throw std::runtime_error{on_->constructor_throws};
        }
        on_->told.push_back("made " + std::to_string(mine_.fence().value()));
    }
    ~actor() { on_->told.push_back("gone " + std::to_string(mine_.fence().value())); }
    actor(const actor&) = delete;
    actor& operator=(const actor&) = delete;

    std::string on(const echo& what) const { return what.key + (mine_.valid() ? "!" : "?"); }
    void on(note what) { on_->told.push_back("note " + what.key); }
    task<std::string> on(hold what) {
        auto made = make_pending<std::string>();
        on_->held.push_back(std::move(made.second));
        on_->told.push_back("holds " + what.key);
        const auto got = co_await made.first;
        on_->told.push_back("goes on " + what.key);
        co_return what.key + (got ? *got : got.error().text);
    }
    result<std::string> on(fail_with what) { return fail(errc::conflict, what.key); }
    void on(throw_now what) { throw std::runtime_error{what.key}; }

private:
    ownership mine_;
    std::shared_ptr<stage> on_;
};

/// `partition_of`, with the stage handed in.
class actor_partition final : public partition_object {
public:
    actor_partition(ownership mine, std::shared_ptr<stage> on)
        : object_{std::move(mine), std::move(on)} {}
    std::shared_ptr<void> handle(std::string_view type,
                                 std::string_view bytes,
                                 const muster::call& who,
                                 answer_fn answer) override {
        std::shared_ptr<void> running;
        const auto one = [&]<class Request>(std::type_identity<Request>) {
            if (type == wire_name_of<Request>()) {
                running = handle_one<actor, Request>(object_, bytes, who, std::move(answer));
            }
        };
        one(std::type_identity<echo>{});
        one(std::type_identity<note>{});
        one(std::type_identity<hold>{});
        one(std::type_identity<fail_with>{});
        one(std::type_identity<throw_now>{});
        return running;
    }
    [[nodiscard]] bool is_read(std::string_view type) const override {
        return type == wire_name_of<echo>();
    }

private:
    actor object_;
};

/// A cell, the lease it stands on, and what its calls were answered.
class cell_room {
public:
    explicit cell_room(bool serve_stale = false, bool may_be_left_running = false) {
        auto how = std::make_shared<cell_setting>();
        how->platform = machine;
        how->offload = [this](task_fn job) { offload(std::move(job)); };
        how->offload_end = how->offload;
        how->make = [on = on](ownership mine) -> std::unique_ptr<partition_object> {
            return std::make_unique<actor_partition>(std::move(mine), on);
        };
        how->say = [this](severity, std::string_view event, const std::string&) {
            said.emplace_back(event);
        };
        how->serve_stale = serve_stale;
        how->may_be_left_running = may_be_left_running;
        worker = machine->make_loop("worker");
        cell = std::make_shared<partition_cell>("rooms/7", worker, how);
        lease->set(machine->now() + 24h);
    }
    cell_room(const cell_room&) = delete;
    cell_room& operator=(const cell_room&) = delete;
    ~cell_room() {
        worker->stop();
        timers.clear();
        cell->shut();
        on->held.clear();  // What completes an answer keeps the strand of who awaits it.
    }

    /// Constructors and destructors take `blocking_takes`, during which the world goes on.
    void offload(task_fn job) {
        auto& one = timers.emplace_back(worker->make_timer());
        one->set(machine->now() + blocking_takes,
                 [this, job = std::move(job)]() mutable { machine->run_blocking(std::move(job)); });
    }

    std::shared_ptr<cluster::right> right_under(std::int64_t fence) {
        return std::make_shared<cluster::right>(
            cluster::right::identity{.resource = "rooms",
                                     .partition = "7",
                                     .slot = 0,
                                     .fence = fence_token{fence},
                                     .member = member_id{1, 1}},
            lease);
    }
    /// Acquires and runs the world until nothing moves.
    std::shared_ptr<cluster::right> acquire(std::int64_t fence) {
        auto mine = right_under(fence);
        begin_acquire(mine);
        in.run_for(10ms);
        return mine;
    }
    void begin_acquire(const std::shared_ptr<cluster::right>& mine) {
        cell->acquire(mine, [this](result<void> how) { acquired.push_back(std::move(how)); });
    }
    void stop(const std::shared_ptr<cluster::right>& mine, bool by_lease) {
        mine->close();
        cell->stop(mine, by_lease, [this] { ++stopped; });
    }
    template <class Request>
    std::shared_ptr<std::vector<ask_answer>> call(std::string key,
                                                  std::int64_t fence = 1,
                                                  duration within = 5s,
                                                  std::shared_ptr<call_claim> claim = nullptr) {
        auto got = std::make_shared<std::vector<ask_answer>>();
        cell->call({.type = std::string{wire_name_of<Request>()},
                    .body = encode(Request{std::move(key)}),
                    .fence = fence,
                    .from = member_id{2, 2},
                    .deadline = machine->now() + within,
                    .answer = [got](ask_answer one) { got->push_back(std::move(one)); },
                    .claim = std::move(claim)});
        return got;
    }
    /// "answered <text>", "failed <code>", "moving", …; what calls come to that end in one answer.
    static std::string end_of(const std::shared_ptr<std::vector<ask_answer>>& got) {
        if (got->size() != 1) {
            return std::to_string(got->size()) + " answers";
        }
        const ask_answer& one = got->front();
        switch (one.how) {
            case ask_end::answered:
                return "answered " +
                       (one.body.empty() ? "" : decode<std::string>(one.body).value());
            case ask_end::failed:
                return "failed " + std::string{name_of(static_cast<errc>(one.code))};
            case ask_end::not_owner:
                return "not owner";
            case ask_end::moving:
                return "moving";
            case ask_end::stranded:
                return "stranded";
        }
        return "?";
    }

    runtime::sim::world in{1};
    std::shared_ptr<runtime::platform> machine = in.add_host("one").process();
    std::shared_ptr<stage> on = std::make_shared<stage>();
    std::shared_ptr<cluster::lease_cell> lease = std::make_shared<cluster::lease_cell>();
    std::shared_ptr<runtime::loop> worker;
    std::shared_ptr<partition_cell> cell;
    duration blocking_takes{};
    std::vector<std::unique_ptr<runtime::timer>> timers;
    std::vector<result<void>> acquired;
    std::vector<std::string> said;
    int stopped = 0;
};

}  // namespace muster::detail
