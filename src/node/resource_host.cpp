#include "node/resource_host.hpp"

#include "base/hash.hpp"
#include "base/strand_scope.hpp"
#include "node/asking.hpp"
#include "process/process_right.hpp"

#include <algorithm>
#include <utility>

namespace muster::detail {

namespace {

constexpr duration longest_deadline = 24h;
constexpr std::size_t prepared_at_once = 2;

/// Waits for the first plan of a resource, for whom `resource_core::when_planned` was called.
class plan_wait final : public waiting_one, public std::enable_shared_from_this<plan_wait> {
public:
    plan_wait(std::shared_ptr<resource_host> resource,
              std::size_t worker,
              resource_core::planned_fn told)
        : resource_{std::move(resource)}, worker_{worker}, told_{std::move(told)} {}

    void begin(instant deadline) {
        deadline_ = deadline;
        ticket_ = resource_->room(worker_).enter(shared_from_this());
        timer_ = resource_->services().worker(worker_)->make_timer();
        timer_->set(deadline, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->resource_->room(self->worker_).leave(self->ticket_);
                self->tell();
            }
        });
        if (is_settled()) {
            woken();
        }
    }

    void woken() override {
        resource_->room(worker_).leave(ticket_);
        if (is_settled()) {
            tell();
        } else {
            ticket_ = resource_->room(worker_).enter(shared_from_this());
        }
    }

private:
    /// The plan is there, or no waiting will bring it.
    [[nodiscard]] bool is_settled() const {
        if (resource_->plan()) {
            return true;
        }
        const auto why = resource_->services().unseen();
        return why && why->next() != next_step::wait;
    }
    void tell() {
        timer_.reset();
        if (auto told = std::exchange(told_, nullptr)) {
            auto [plan, names] = resource_->partitions();
            const instant now = resource_->services().platform()->now();
            told(plan, std::move(names), std::max(deadline_ - now, duration::zero()));
        }
    }

    std::shared_ptr<resource_host> resource_;
    std::size_t worker_;
    resource_core::planned_fn told_;
    instant deadline_{};
    std::uint64_t ticket_ = 0;
    std::unique_ptr<runtime::timer> timer_;
};

}  // namespace

// --- Asking --------------------------------------------------------------------------------------

void resource_host::ask(std::string key,
                        bool key_is_partition,
                        std::string_view type,
                        std::string bytes,
                        std::chrono::nanoseconds within,
                        answered_fn answer) {
    if (services_->stopped()) {
        answer(fail(errc::closed, "this node has left"));
        return;
    }
    if (!process_detail::running_code::may_speak()) {
        answer(std::unexpected{process_detail::running_code::no_right()});
        return;
    }
    if (services_->mesh() == nullptr) {
        const auto why = services_->unseen();
        answer(why ? std::unexpected{*why}
                   : result<answered>{fail(errc::unavailable, "the node has not been started")});
        return;
    }
    const instant deadline =
        std::min(services_->platform()->now() + std::min<duration>(within, longest_deadline),
                 strand_scope::current_deadline());
    const std::size_t number =
        next_worker_.fetch_add(1, std::memory_order_relaxed) % services_->worker_count();
    auto one = std::make_shared<asking>(
        shared_from_this(),
        number,
        question{std::move(key), key_is_partition, std::string{type}, std::move(bytes), deadline},
        std::move(answer));
    services_->worker(number)->post([one = std::move(one)] { one->attempt(); });
}

void resource_host::when_planned(std::chrono::nanoseconds within, planned_fn told) {
    const instant now = services_->platform()->now();
    const instant deadline = std::min(now + std::min<duration>(within, longest_deadline),
                                      strand_scope::current_deadline());
    if (plan_.read() || services_->stopped() || services_->mesh() == nullptr) {
        auto [plan, names] = partitions();
        told(plan, std::move(names), std::max(deadline - now, duration::zero()));
        return;
    }
    auto one = std::make_shared<plan_wait>(shared_from_this(), 0, std::move(told));
    services_->worker(0)->post([one = std::move(one), deadline] { one->begin(deadline); });
}

std::optional<error> resource_host::trouble() const {
    const auto known = trouble_.read();
    return known ? std::optional{*known} : std::nullopt;
}

std::shared_ptr<const route> resource_host::where(std::string_view key) const {
    auto table = routes_.get();
    const route* const one = table ? table->find(key) : nullptr;
    return one == nullptr ? nullptr : std::shared_ptr<const route>{std::move(table), one};
}

std::pair<std::int64_t, std::vector<std::string>> resource_host::partitions() const {
    const auto by = plan_.read();
    std::vector<std::string> names;
    if (by) {
        for (const cluster::entry* const one : by->partitions()) {
            names.push_back(one->partition);
        }
    }
    return {by ? by->number() : 0, std::move(names)};
}

std::optional<std::string> resource_host::latest() const {
    const auto by = plan_.read();
    const cluster::entry* const one = by ? by->latest() : nullptr;
    return one == nullptr ? std::nullopt : std::optional{one->partition};
}

void resource_host::change(std::string partition,
                           bool add,
                           std::chrono::nanoseconds within,
                           std::move_only_function<void(result<void>)> done) {
    services_->change_list(
        name_,
        partition,
        add,
        services_->platform()->now() + std::min<duration>(within, longest_deadline),
        std::move(done));
}

std::chrono::nanoseconds resource_host::default_deadline() const {
    return services_->ask_deadline();
}

// --- Owning --------------------------------------------------------------------------------------

std::shared_ptr<partition_cell> resource_host::cell_for(const cluster::right& mine) {
    const cell_key key{mine.what().partition, mine.what().slot};
    if (!cells_.read()->contains(key)) {
        make_cells({{mine.what().partition, mine.what().slot}});
    }
    return cells_.read()->find(key)->second;
}

/// A partition always lives on the same worker.
void resource_host::make_cells(const std::vector<cell_name>& names) {
    cells_.change([&](cell_map& all) {
        for (const cell_name& name : names) {
            auto& cell = all[name];
            if (!cell) {
                const std::string title =
                    name_ + "/" + cluster::entry_key(name.partition, name.slot);
                const std::size_t number = base::xxh64(title) % services_->worker_count();
                cell = std::make_shared<partition_cell>(
                    title, services_->worker(number), setting_.read());
            }
        }
    });
}

void resource_host::acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) {
    cell_for(*mine)->acquire(mine, std::move(done));
}

void resource_host::stop(const std::shared_ptr<cluster::right>& mine,
                         bool by_lease,
                         callback<> done) {
    cell_for(*mine)->stop(
        mine, by_lease, [self = shared_from_this(), mine, done = std::move(done)]() mutable {
            self->services_->no_longer_stuck(mine->what());
            done();
        });
}

void resource_host::release(std::shared_ptr<cluster::right> mine, callback<> done) {
    stop(mine, false, std::move(done));
}

void resource_host::revoke(std::shared_ptr<cluster::right> mine, callback<> done) {
    stop(mine, true, std::move(done));
}

/// Few at a time: what has nobody to serve it must find a thread to be made on.
void resource_host::prepare(cluster::planned_move what, callback<result<void>> done) {
    services_->worker(0)->post(
        [self = shared_from_this(), one = preparation{std::move(what), std::move(done)}]() mutable {
            self->to_prepare_.push_back(std::move(one));
            self->prepare_next();
        });
}

void resource_host::prepare_next() {
    while (preparing_ < prepared_at_once && !to_prepare_.empty()) {
        preparation one = std::move(to_prepare_.front());
        to_prepare_.pop_front();
        const auto setting = setting_.read();
        if (!setting || !setting->prepare || services_->stopped() || !is_still_planned(one.what)) {
            one.done({});
            continue;
        }
        ++preparing_;
        setting->offload([self = shared_from_this(), setting, one = std::move(one)]() mutable {
            one.done(setting->prepare(
                partition_hint{{one.what.resource, one.what.partition, one.what.slot},
                               one.what.owner,
                               setting->home()}));
            auto* const host = self.get();
            host->services_->worker(0)->post([self = std::move(self)] {
                --self->preparing_;
                self->prepare_next();
            });
        });
    }
}

/// The plan is told to this host before it is acted on.
bool resource_host::is_still_planned(const cluster::planned_move& what) const {
    const auto now = plan_.read();
    const cluster::entry* const one = now ? now->named(what.partition, what.slot) : nullptr;
    return one != nullptr && one->next == services_->self();
}

bool resource_host::still_runs(const cluster::right& mine) const {
    const auto known = cells_.read();
    const auto found = known->find(cell_key{mine.what().partition, mine.what().slot});
    return found != known->end() && found->second->runs_code();
}

void resource_host::plan_read(std::shared_ptr<const cluster::plan_snapshot> now) {
    plan_.replace(now);
    view_read();
    const auto setting = setting_.read();
    if (setting) {
        // At once those that will be acquired: making one changes a copy of them all.
        std::vector<cell_name> fresh;
        const auto known = cells_.read();
        for (const cluster::plan_chunk& chunk : now->whole().chunks) {
            for (const cluster::entry& one : chunk.entries) {
                if (one.owner == services_->self() &&
                    !known->contains(cell_key{one.partition, one.slot})) {
                    fresh.push_back({one.partition, one.slot});
                }
            }
        }
        if (!fresh.empty()) {
            make_cells(fresh);
        }
    }
    if (setting && setting->serve_stale) {
        for (const auto& [name, cell] : *cells_.read()) {
            const cluster::entry* const one = now->named(name.partition, name.slot);
            if (one == nullptr || one->owner != services_->self()) {
                cell->drop_stale();
            }
        }
    }
}

/// On one thread, with `plan_read`: the last table is of the newest of both.
void resource_host::view_read() {
    if (auto by = plan_.read()) {
        routes_.replace(
            std::make_shared<const route_table>(std::move(by), services_->newest_view()));
    }
    wake_waiting();
}

void resource_host::wake_waiting() {
    for (std::size_t i = 0; i < services_->worker_count(); ++i) {
        if (rooms_[i].count() > 0) {
            services_->worker(i)->post([self = shared_from_this(), i] { self->rooms_[i].wake(); });
        }
    }
}

void resource_host::shut() {
    to_prepare_.clear();
    for (waiting_room& room : rooms_) {
        room.clear();
    }
    for (const auto& [key, cell] : *cells_.read()) {
        cell->shut();
    }
    cells_.replace(std::make_shared<const cell_map>());
}

void resource_host::incoming(std::string_view partition, partition_call one) {
    if (const auto taker = taker_.read()) {
        (*taker)->call(partition, std::move(one));
        return;
    }
    const auto known = cells_.read();
    const auto found = known->find(cell_key{partition, 0});
    const auto setting = setting_.read();
    const bool stale = setting && setting->serve_stale;
    if (found == known->end() || (services_->stranded() && !stale)) {
        const ask_end how = services_->stranded() ? ask_end::stranded : ask_end::not_owner;
        one.answer({.how = how, .body = {}, .code = 0, .text = {}});
        return;
    }
    found->second->call(std::move(one));
}

std::pair<std::shared_ptr<resource_host>, bool> find_or_make(
    runtime::published<resource_map>& all,
    const std::string& name,
    const std::function<std::shared_ptr<resource_host>()>& make) {
    const auto known = all.read();
    if (const auto there = known->find(name); there != known->end()) {
        return {there->second, false};
    }
    std::pair<std::shared_ptr<resource_host>, bool> found;
    all.change([&](resource_map& now) {
        auto& slot = now[name];
        found.second = !slot;
        if (!slot) {
            slot = make();
        }
        found.first = slot;
    });
    return found;
}

}  // namespace muster::detail
