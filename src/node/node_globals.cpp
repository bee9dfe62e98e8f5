// A node and global processes: what it stands for, what of it runs here, and the process of the
// leader, which is found in the same way although the view, not a plan, says who has it.

#include "node/global_wire.hpp"
#include "node/node_core.hpp"

#include <algorithm>
#include <utility>

namespace muster::detail {
namespace {

constexpr duration first_lead_pause = 500ms;  ///< before a leader's process is started again
constexpr duration longest_lead_pause = 30s;

/// As every member describes it, `muster elect` too.
cluster::specification globals_specification() {
    cluster::specification spec;
    spec.kind = cluster::resource_kind::list;
    return spec;
}

}  // namespace

void node_core::make_globals() {
    way_ = processes_->way();
    const auto book_of = [this](std::string_view resource) {
        auto seats = std::make_shared<resource_host>(std::string{resource}, shared_from_this());
        return std::make_shared<global_book>(seats, [weak = weak_from_this(), seats] {
            if (const auto self = weak.lock()) {
                self->take_up(seats);
            }
        });
    };
    globals_ = book_of(globals_resource);
    leaders_ = book_of(cluster::leader_resource);
    globals_->seats()->answered_by(global_seats_);
    leaders_->seats()->answered_by(leader_seats_);
    processes_->find_globals_by(globals_);
    processes_->name_globals_by(names_of({globals_, leaders_}));
}

/// From its first use on a node follows what it says.
void node_core::take_up(const std::shared_ptr<resource_host>& host) {
    if (stopped_.load() || resources_.read()->contains(host->name())) {
        return;
    }
    bool fresh = false;
    resources_.change([&](resource_map& all) { fresh = all.emplace(host->name(), host).second; });
    if (fresh && running_.load()) {
        on_control([this, host] {
            join(host->name(), host);
            if (host == leaders_->seats()) {
                if (const auto seen = view_seen_) {
                    leader_seen(*seen);
                }
            }
        });
    }
}

void node_core::open_seats() {
    global_seats::settings how;
    how.platform = platform_;
    how.control = control_;
    how.processes = processes_.get();
    how.home = [home = home_]() -> muster::node& { return *home; };
    how.say = [this](severity level, std::string_view event, const std::string& text) {
        say(level, event, text);
    };
    how.no_longer_stuck = [this](const cluster::right::identity& what) { no_longer_stuck(what); };
    how.release_deadline = globals_specification().release_deadline;
    const auto told_to = [](global_seats::settings& one, const std::weak_ptr<global_book>& book) {
        one.ended = [book](const std::string& name, const pid& who) {
            const auto there = book.lock();
            if (const auto proxy = there ? there->known(name) : nullptr) {
                proxy->ended(who);
            }
        };
        one.unread = [book](const std::string& name, std::vector<parcel_ptr> messages) {
            if (const auto there = book.lock()) {
                there->at(name)->take_back(std::move(messages));
            }
        };
    };
    how.left = [this](const std::shared_ptr<cluster::right>& mine) {
        if (member_) {
            member_->handler_failed(mine->what());
        }
    };
    told_to(how, globals_);
    global_seats_->open(how);

    how.outlived = true;
    how.left = [this](const std::shared_ptr<cluster::right>& mine) { lead_process_ended(mine); };
    told_to(how, leaders_);
    leader_seats_->open(std::move(how));
}

void node_core::close_seats() {
    leads_by_.reset();
    lead_again_.reset();
    global_seats_->close();
    leader_seats_->close();
}

/// Only once the workers have stopped. Their resources hold this core.
void node_core::end_globals() {
    for (auto* const book : {&globals_, &leaders_}) {
        (*book)->shut();
        book->reset();
    }
}

// --- Standing for a name -------------------------------------------------------------------------

global node_core::stand(candidacy how, body_maker make) {
    auto proxy = globals_->at(how.name);
    if (const auto bad = check_global_name(how.name)) {
        say(severity::error, "global.invalid", bad->text);
        return global{std::move(proxy)};
    }
    proxy->expect();
    global_seats_->stage(how.name,
                         std::make_shared<const staged_body>(std::move(make), how.on_stuck));
    if (running_.load()) {
        on_control([this] { serve_globals(); });
    }
    return global{std::move(proxy)};
}

/// What is staged stands for its name; what runs and is staged no more gives its right up.
void node_core::serve_globals() {
    const auto staged = global_seats_->staged();
    if (!member_ || staged->empty()) {
        return;
    }
    if (!std::exchange(serves_globals_, true)) {
        member_->serve(std::string{globals_resource}, globals_specification(), global_seats_);
    }
    std::set<std::string> names;
    for (const auto& [name, body] : *staged) {
        names.insert(name);
    }
    member_->stand_for(std::move(names));
    for (const auto& mine : global_seats_->outdated()) {
        member_->handler_failed(mine->what());
    }
}

on_stuck node_core::policy_of(const cluster::right::identity& what) const {
    if (what.resource == globals_resource) {
        return global_seats_->on_stuck_of(what);
    }
    if (what.resource == cluster::leader_resource) {
        return leader_seats_->on_stuck_of(what);
    }
    const auto wishes = wishes_.read();
    const auto wish = wishes->find(what.resource);
    return wish == wishes->end() ? on_stuck::abort : wish->second.options.on_stuck;
}

// --- The leader ----------------------------------------------------------------------------------

global node_core::leader() {
    return global{leaders_->at(cluster::leader_partition)};
}

global node_core::stand_to_lead(body_maker make) {
    leader_seats_->stage(std::string{cluster::leader_partition},
                         std::make_shared<const staged_body>(std::move(make), on_stuck::abort));
    if (running_.load()) {
        on_control([this] {
            const auto outdated = leader_seats_->outdated();
            for (const auto& mine : outdated) {
                leader_seats_->release(mine, [this, mine] { begin_lead_process(mine); });
            }
            if (leads_by_ && outdated.empty()) {
                begin_lead_process(leads_by_);
            }
        });
    }
    return leader();
}

void node_core::leads_by(std::shared_ptr<cluster::right> mine) {
    if (mine) {
        leads_by_ = std::move(mine);
        lead_pause_ = first_lead_pause;
        begin_lead_process(leads_by_);
        return;
    }
    lead_again_.reset();
    const auto ended = std::exchange(leads_by_, nullptr);
    if (!ended) {
        return;
    }
    if (ended->lease_holds(platform_->now())) {
        leader_seats_->release(ended, [] {});
    } else {
        leader_seats_->revoke(ended, [] {});
    }
}

void node_core::begin_lead_process(const std::shared_ptr<cluster::right>& mine) {
    if (mine != leads_by_ || leader_seats_->staged()->empty() || leader_seats_->runs(*mine)) {
        return;
    }
    lead_again_.reset();
    lead_began_ = control_->now();
    leader_seats_->acquire(mine, [this](const result<void>& how) {
        if (!how) {
            say(severity::warning, "leader.process", how.error().text);
        }
    });
}

/// The leadership goes on without its process: it is started again, soon where it had run for long.
void node_core::lead_process_ended(const std::shared_ptr<cluster::right>& mine) {
    if (mine != leads_by_) {
        return;
    }
    const bool ran = control_->now() - lead_began_ > longest_lead_pause;
    lead_pause_ = ran ? first_lead_pause : lead_pause_;
    lead_again_ = control_->make_timer();
    lead_again_->set(control_->now() + lead_pause_, [this, mine] { begin_lead_process(mine); });
    lead_pause_ = std::min(lead_pause_ * 2, longest_lead_pause);
}

void node_core::leader_seen(const cluster::view_snapshot& now) {
    if (resources_.read()->contains(cluster::leader_resource)) {
        leaders_->leader_read(now);
    }
}

}  // namespace muster::detail
