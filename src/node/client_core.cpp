#include "node/client_core.hpp"

#include "cluster/paths.hpp"
#include "node/envelope.hpp"
#include "node/global_wire.hpp"
#include "node/settings.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace muster::detail {
namespace {

constexpr duration farewell = 1s;             ///< for ending the session
constexpr duration process_patience = 500ms;  ///< for what a process still does
constexpr duration last_patience = 2s;        ///< for those that do not end by themselves

}  // namespace

client_core::client_core(result<config> settings, std::shared_ptr<machine> on)
    : platform_{std::move(on->platform)} {
    if (settings) {
        settings_ = std::move(*settings);
    } else {
        trouble_ = std::unexpected{std::move(settings.error())};
    }
}

client_core::~client_core() = default;

// --- Start and end -------------------------------------------------------------------------------

void client_core::start() {
    std::call_once(started_, [this] {
        start_loops();
        if (trouble_) {
            trouble_ = look_at_cluster();
        }
        if (!trouble_) {
            seen_->blind.replace(std::make_shared<const error>(trouble_.error()));
        }
    });
}

void client_core::start_loops() {
    control_ = platform_->make_loop("muster-client");
    const auto most = static_cast<unsigned>(resource_host::most_workers);
    for (unsigned i = 0; i < std::clamp(settings_.workers, 1U, most); ++i) {
        workers_.push_back(platform_->make_loop("muster-client-" + std::to_string(i)));
    }
    auto& first = *workers_.front();
    life_ = {first.random_u64(), first.random_u64()};
    name_ = !settings_.name.empty() ? settings_.name
                                    : "client-" + platform_->host_name() + "-" +
                                          std::to_string(platform_->process_number());
    processes_ = std::make_unique<process_host>(platform_, workers_, life_, name_);
    discovery::directory_settings how;
    how.services = cluster::paths{settings_.cluster}.services();
    how.home = {life_, name_, settings_.zone};
    how.patience = settings_.ask_deadline;
    how.warn = [](const std::string&) {};  // Whoever looked the name up hears of it.
    names_ = std::make_shared<discovery::directory>(workers_.front(), std::move(how));
    processes_->look_up_by(names_as_seen(names_, seen_));
    waits_ = std::make_shared<far_wait>(far_wait::parts{.control = control_,
                                                        .members = members_,
                                                        .seen = seen_,
                                                        .patience = settings_.ask_deadline,
                                                        .send = processes_->way_afar(),
                                                        .lost = processes_->tells_lost()});
    processes_->go_afar_by([waits = waits_](const pid& to, parcel_ptr one) {
        return waits->deliver(to, std::move(one));
    });
    way_ = processes_->way();
    make_globals();
}

/// The resource of globals is followed from its first use on.
void client_core::make_globals() {
    auto seats = std::make_shared<resource_host>(std::string{globals_resource}, shared_from_this());
    globals_ = std::make_shared<global_book>(seats, [weak = weak_from_this(), seats] {
        const auto self = weak.lock();
        if (self && !self->resources_.read()->contains(seats->name())) {
            self->resources_.change([&](resource_map& all) { all.emplace(seats->name(), seats); });
            self->follow(seats->name());
        }
    });
    processes_->find_globals_by(globals_);
    // Who leads the view says: there is nothing to follow.
    leaders_ = std::make_shared<global_book>(
        std::make_shared<resource_host>(std::string{cluster::leader_resource}, shared_from_this()),
        [] {});
    processes_->name_globals_by(names_of({globals_, leaders_}));
}

result<void> client_core::look_at_cluster() {
    auto wanted = settings_for_member(settings_, application{});
    if (!wanted) {
        return std::unexpected{wanted.error()};
    }
    mesh::settings how;
    processes_->prepare(how);
    how.cluster = settings_.cluster;
    how.key = "";  // Read from ZooKeeper.
    how.accept = false;
    auto made =
        mesh::mesh::start(platform_, workers_, how, [weak = weak_from_this()](mesh::incoming what) {
            const auto self = weak.lock();
            if (!self || self->stopped_.load() || !self->processes_->take_request(what)) {
                what.answer.fail({errc::invalid_argument, "a client owns nothing to be asked for"});
            }
        });
    if (!made) {
        return std::unexpected{made.error()};
    }
    mesh_ = std::move(*made);
    mesh_->become(life_);
    life_book::attach(members_, *processes_, *mesh_);
    names_->attach(control_, {}, [](const std::set<std::string>&) {});
    running_.store(true);
    on_control([this, wanted = std::move(*wanted)]() mutable {
        observer_ =
            cluster::observer::start(control_, std::move(wanted), life_, shared_from_this());
        for (const auto& [name, host] : *resources_.read()) {
            observer_->follow(name);
        }
    });
    return {};
}

void client_core::on_control(task_fn job) {
    control_->post([self = shared_from_this(), job = std::move(job)]() mutable {
        if (!self->stopped_.load()) {
            job();
        }
    });
}

void client_core::shut() {
    // Whoever never used it has nothing to end; who comes now gets `closed`.
    std::call_once(started_, [this] { stopped_.store(true); });
    if (!control_) {
        return;
    }
    const std::shared_ptr<runtime::gate> quiet = platform_->make_gate();
    const std::shared_ptr<runtime::gate> ended = platform_->make_gate();
    on_control([this, quiet] {
        waits_->end();
        names_->detach();
        if (!observer_ || !connected_.load()) {
            quiet->open();
        } else {
            observer_->leave(control_->now() + farewell, [quiet] { quiet->open(); });
        }
    });
    processes_->stop(process_patience, [ended] { ended->open(); });
    static_cast<void>(quiet->wait(platform_->now() + 2 * farewell));
    static_cast<void>(ended->wait(platform_->now() + process_patience + last_patience));
    stopped_.store(true);
    running_.store(false);
    processes_->detach();
    if (mesh_) {
        mesh_->stop();
    }
    processes_.reset();
    control_->stop();
    for (const auto& worker : workers_) {
        worker->stop();
    }
    stop_observing();
}

/// All loops have stopped. What the user still holds answers `closed`.
void client_core::stop_observing() {
    if (mesh_) {
        mesh_->drop();
    }
    names_->detach();
    observer_.reset();
    const auto all = resources_.read();
    for (const auto& [name, host] : *all) {
        host->shut();
    }
    leaders_->seats()->shut();
    resources_.replace(std::make_shared<const resource_map>());
    for (auto* const book : {&globals_, &leaders_}) {
        (*book)->shut();
        book->reset();
    }
}

// --- Resources -----------------------------------------------------------------------------------

std::shared_ptr<resource_core> client_core::use(std::string name) {
    const auto found = find_or_make(resources_, name, [&] {
        return name == globals_resource ? globals_->seats()
                                        : std::make_shared<resource_host>(name, shared_from_this());
    });
    if (found.second) {
        follow(name);
    }
    return found.first;
}

void client_core::follow(const std::string& resource) {
    if (running_.load()) {
        on_control([this, resource] {
            if (observer_) {
                observer_->follow(resource);
            }
        });
    }
}

global client_core::global_of(const std::string& name) {
    return global{globals_->at(name)};
}

global client_core::leader() {
    return global{leaders_->at(cluster::leader_partition)};
}

void client_core::change_list(const std::string& resource,
                              const std::string& partition,
                              bool add,
                              instant deadline,
                              callback<result<void>> done) {
    if (stopped_.load() || !running_.load()) {
        done(stopped_.load() ? fail(errc::closed, "this client has ended") : trouble_);
        return;
    }
    on_control([this, resource, partition, add, deadline, done = std::move(done)]() mutable {
        if (!observer_) {
            done(fail(errc::closed, "this client is ending"));
            return;
        }
        observer_->change_list(resource, partition, add, deadline, std::move(done));
    });
}

// --- What the observer tells ---------------------------------------------------------------------

void client_core::cluster_key(std::string key) {
    mesh_->set_key(std::move(key));
    seen_->blind.replace(nullptr);
}

void client_core::view_changed(std::shared_ptr<const cluster::view_snapshot> now) {
    members_->learn(*now, *processes_);
    view_.replace(std::make_shared<const view>(public_view(*now)));
    seen_->begun.store(true);
    waits_->look();
    for (const auto& [name, host] : *resources_.read()) {
        host->view_read();  // The address of an owner may have been what they lacked.
    }
    leaders_->leader_read(*now);
}

void client_core::plan_changed(std::shared_ptr<const cluster::plan_snapshot> now) {
    const auto known = resources_.read();
    if (const auto found = known->find(now->resource()); found != known->end()) {
        found->second->out_of_trouble();
        found->second->plan_read(now);
        if (now->resource() == globals_resource) {
            globals_->plan_read();
        }
    }
}

void client_core::plan_trouble(const std::string& resource, const error& why) {
    const auto known = resources_.read();
    if (const auto found = known->find(resource); found != known->end()) {
        found->second->in_trouble(why);
    }
}

void client_core::blind(const error& why) {
    seen_->blind.replace(std::make_shared<const error>(why));
    waits_->look();
    if (why.next() != next_step::wait) {
        for (const auto& [name, host] : *resources_.read()) {
            host->wake_waiting();
        }
        leaders_->seats()->wake_waiting();
    }
}

void client_core::session_began(zookeeper::client& zk, bool is_new) {
    connected_.store(true);
    if (!seen_->hopeless()) {
        seen_->blind.replace(nullptr);
    }
    names_->session_began(zk, is_new);
}

void client_core::session_lost() {
    connected_.store(false);
    names_->session_lost();
}

}  // namespace muster::detail
