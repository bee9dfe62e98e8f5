#include "muster/node.hpp"

#include "node/machine.hpp"
#include "node/node_core.hpp"
#include "runtime/published.hpp"
#include "runtime/real.hpp"
#include "runtime/real_signals.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <utility>

namespace muster {
namespace {

std::shared_ptr<detail::machine> this_machine() {
    return std::make_shared<detail::machine>(runtime::make_real_platform());
}

constexpr std::chrono::milliseconds destructor_patience{5'000};

}  // namespace

const partition_name& ownership::partition() const noexcept {
    static const partition_name none{};
    return core_ ? core_->partition() : none;
}

std::string_view name_of(member_state state) noexcept {
    switch (state) {
        case member_state::stranded:
            return "stranded";
        case member_state::joining:
            return "joining";
        case member_state::initializing:
            return "initializing";
        case member_state::online:
            return "online";
        case member_state::suspect:
            return "suspect";
        case member_state::draining:
            return "draining";
        case member_state::left:
            return "left";
    }
    return "unknown";
}

namespace detail {

/// What a public `node` holds besides its core: how `run` is stopped.
struct node_state {
    std::shared_ptr<node_core> core;
    std::optional<error> settings_trouble;
    runtime::published<std::shared_ptr<runtime::signal_watch>> watch;
    std::atomic<bool> stop_wanted{false};
    std::atomic<bool> failed{false};

    void wake() {
        stop_wanted.store(true);
        if (const auto one = watch.read()) {
            (*one)->wake();
        }
    }
};

}  // namespace detail

node::node(config settings, application program, std::shared_ptr<detail::machine> on)
    : state_{std::make_unique<detail::node_state>()} {
    state_->core = std::make_shared<detail::node_core>(
        std::move(settings), std::move(program), std::move(on), *this);
    state_->core->make_globals();
    state_->core->when_failed([state = state_.get()](const error&) {
        state->failed.store(true);
        state->wake();
    });
}

node::node(config settings, application program)
    : node{std::move(settings), std::move(program), this_machine()} {}

node::node(std::string cluster) : state_{std::make_unique<detail::node_state>()} {
    auto loaded = config::load(cluster);
    std::optional<error> trouble;
    if (!loaded) {
        trouble = loaded.error();
    }
    config settings = loaded ? std::move(*loaded) : config{};
    state_->core = std::make_shared<detail::node_core>(
        std::move(settings), application{}, this_machine(), *this);
    state_->core->make_globals();
    state_->settings_trouble = std::move(trouble);
    state_->core->when_failed([state = state_.get()](const error&) {
        state->failed.store(true);
        state->wake();
    });
}

node::~node() {
    state_->core->shut(destructor_patience);
}

result<void> node::start() {
    if (state_->settings_trouble) {
        return std::unexpected(*state_->settings_trouble);
    }
    return state_->core->start();
}

int node::run() {
    const auto watch = std::make_shared<runtime::signal_watch>();
    state_->watch.replace(std::make_shared<const std::shared_ptr<runtime::signal_watch>>(watch));
    if (const auto started = start(); !started) {
        std::fprintf(stderr, "muster: %s\n", started.error().text.c_str());
        state_->watch.replace(nullptr);
        return started.error().next() == next_step::fix_call ? 2 : 1;
    }
    if (!state_->stop_wanted.load()) {
        static_cast<void>(watch->wait());
    }
    // A second signal cuts short what may take a while.
    const auto left = std::make_shared<std::atomic<int>>(-1);
    state_->core->leave([left, watch](const result<void>& how) {
        if (!how) {
            std::fprintf(stderr, "muster: %s\n", how.error().text.c_str());
        }
        left->store(how ? 0 : 1);
        watch->wake();
    });
    while (left->load() < 0) {
        if (watch->wait()) {
            std::fprintf(stderr, "muster: a second signal: leaving without handing over\n");
            std::_Exit(130);
        }
    }
    state_->watch.replace(nullptr);
    return state_->failed.load() ? 1 : left->load();
}

void node::stop() {
    state_->wake();
}

pending<void> node::leave() {
    auto [answer, done] = make_pending<void>();
    state_->core->leave(std::move(done));
    return std::move(answer);
}

view node::view() const {
    return *state_->core->newest_view();
}

std::vector<member> node::peers() const {
    const auto seen = state_->core->newest_view();
    const member_id self = state_->core->self();
    std::vector<member> others;
    for (const member& one : seen->members) {
        if (one.id != self) {
            others.push_back(one);
        }
    }
    return others;
}

std::vector<peer_traffic> node::traffic() const {
    const auto* const net = state_->core->mesh();
    if (net == nullptr) {
        return {};
    }
    const auto seen = state_->core->newest_view();
    std::vector<peer_traffic> all;
    for (mesh::peer_counters& one : net->peers()) {
        const member* const who = seen->find(one.id);
        all.push_back({.id = one.id,
                       .name = who != nullptr ? who->name : "",
                       .address = std::move(one.address),
                       .is_connected = one.is_connected,
                       .connections = one.connections,
                       .frames_in = one.frames_in,
                       .frames_out = one.frames_out,
                       .bytes_in = one.bytes_in,
                       .bytes_out = one.bytes_out,
                       .unconfirmed = one.unconfirmed,
                       .waiting = one.waiting});
    }
    return all;
}

std::string node::name() const {
    return state_->core->settings().name;
}
member_state node::state() const {
    return state_->core->state();
}
std::string node::address() const {
    return state_->core->address();
}

std::shared_ptr<detail::resource_core> node::serve_core(std::string name, detail::served how) {
    return state_->core->serve(std::move(name), std::move(how));
}

std::shared_ptr<detail::resource_core> node::use_core(std::string name) {
    return state_->core->use(std::move(name));
}

const std::shared_ptr<detail::router>& node::processes() {
    return state_->core->processes().way();
}

std::uint64_t node::lost_messages() const noexcept {
    return state_->core->processes().lost();
}

std::chrono::nanoseconds node::ask_deadline() const {
    return state_->core->settings().ask_deadline;
}

void node::add_factory(
    std::string name,
    std::function<result<std::move_only_function<process(self)>>(std::string_view)> make) {
    state_->core->processes().add_factory(name, std::move(make));
}

result<void> node::register_as(std::string name, const pid& who, detail::publishing how) {
    return state_->core->register_name(name, who, how);
}

result<void> node::unregister_name(const std::string& name, const pid& who) {
    return state_->core->unregister_name(name, who);
}

pending<pid> node::spawn_there(const member& where, std::string name, std::string arguments) {
    return state_->core->processes().spawn_on(where.life, std::move(name), std::move(arguments));
}

void node::run_blocking(std::move_only_function<void()> job) {
    state_->core->run_blocking(std::move(job));
}

global node::stand(candidacy how, detail::body_maker make) {
    return state_->core->stand(std::move(how), std::move(make));
}

global node::stand_to_lead(detail::body_maker make) {
    return state_->core->stand_to_lead(std::move(make));
}

global node::leader() {
    return state_->core->leader();
}

}  // namespace muster
