#include "process/host.hpp"

#include "base/check.hpp"
#include "process/host_core.hpp"

#include <atomic>
#include <utility>

namespace muster {

using process_detail::host_core;
using process_detail::process_core;
using process_detail::worker;

namespace {

/// Opens its gate when the last of those who hold it has gone, whether they ran or were dropped.
class last_opens {
public:
    explicit last_opens(runtime::gate& to_open) : gate_{to_open} {}
    last_opens(const last_opens&) = delete;
    last_opens& operator=(const last_opens&) = delete;
    ~last_opens() { gate_.open(); }

private:
    runtime::gate& gate_;
};

/// A message as bytes.
class raw_parcel final : public detail::parcel {
public:
    raw_parcel(std::string type_name, std::string bytes)
        : parcel{&kind_}, name_{std::move(type_name)}, body_{std::move(bytes)} {
        kind_.name = name_;
        weight = static_cast<std::uint32_t>(sizeof(raw_parcel) + name_.size() + body_.size());
    }

    [[nodiscard]] const void* content() const noexcept override { return &body_; }

private:
    static void append(std::string& out, const void* body) {
        out += *static_cast<const std::string*>(body);
    }

    std::string name_;
    std::string body_;
    detail::message_type kind_{{}, &append, nullptr, nullptr, nullptr};
};

/// Has each worker end all that lives on it, and waits for that. Where a loop has stopped already
/// nothing runs any more, and it is done here.
void end_everywhere(const std::shared_ptr<host_core>& core, bool close) {
    const auto gate = core->platform().make_gate();
    auto token = std::make_shared<last_opens>(*gate);
    std::vector<std::unique_ptr<std::atomic<bool>>> ran;
    for (const auto& one : core->workers()) {
        auto& did = *ran.emplace_back(std::make_unique<std::atomic<bool>>(false));
        one->loop().post([&at = *one, &did, close, token, core] {
            at.end_all();
            if (close) {
                at.close();
            }
            did.store(true, std::memory_order_release);
        });
    }
    token.reset();
    gate->wait(never);
    for (std::size_t i = 0; i < ran.size(); ++i) {
        if (!ran[i]->load(std::memory_order_acquire)) {
            core->workers()[i]->end_all();
            core->workers()[i]->close();
        }
    }
}

}  // namespace

process_host::process_host(std::shared_ptr<runtime::platform> on,
                           const std::vector<std::shared_ptr<runtime::loop>>& workers,
                           member_id life,
                           std::string member_name,
                           process_limits limits)
    : core_{std::make_shared<host_core>(std::move(on), life, std::move(member_name), limits)},
      router_{core_} {
    MUSTER_ASSERT(!workers.empty(), "processes need a loop to run on");
    core_->add_workers(workers);
}

process_host::~process_host() {
    core_->stopping.store(true, std::memory_order_release);
    // The first round leaves those with a blocking job, the second ends them, and the third hears
    // what the others' ends had to say.
    end_everywhere(core_, false);
    core_->job_done();
    core_->jobs_done->wait(never);
    end_everywhere(core_, false);
    end_everywhere(core_, true);
}

void process_host::look_up_by(std::shared_ptr<detail::name_service> how) {
    core_->look_up_by(std::move(how));
}

// What these hand out holds the core weakly: it is kept by what the core itself holds.

void process_host::go_afar_by(send_far how) {
    core_->go_afar_by(std::move(how));
}

process_host::send_far process_host::way_afar() const {
    return [weak = std::weak_ptr{core_}](const pid& to, detail::parcel_ptr one) -> result<void> {
        const auto core = weak.lock();
        return core ? core->far().deliver(to, std::move(one))
                    : fail(errc::closed, "the processes here have ended");
    };
}

void process_host::name_globals_by(std::function<std::string(const pid&)> how) {
    core_->name_globals_by(std::move(how));
}

std::function<void(const detail::local_ref&, const pid&)> process_host::tells_lost() const {
    return [weak = std::weak_ptr{core_}](const detail::local_ref& from, const pid& to) {
        if (const auto core = weak.lock()) {
            core->count_lost(from, undelivered{.to = to, .count = 1, .global = {}});
        }
    };
}

void process_host::find_globals_by(std::weak_ptr<detail::global_service> how) {
    core_->find_globals_by(std::move(how));
}

pid process_host::spawn_under(std::move_only_function<process(self)> body,
                              std::shared_ptr<process_right> under) {
    return core_->spawn_under(std::move(body), std::move(under));
}

void process_host::ask_to_end(const pid& who) {
    core_->signal_to(who, [](process_core* alive) {
        if (alive != nullptr) {
            alive->on_stop();
        }
    });
}

void process_host::watch(const pid& who,
                         std::move_only_function<void(const pid&, const exit_reason&)> told) {
    if (core_->is_far(who)) {
        core_->far().monitor(core_->next_number(), who, std::move(told));
        return;
    }
    core_->signal_to(who, [who, told = std::move(told)](process_core* alive) mutable {
        if (alive != nullptr) {
            alive->watchers.emplace_back(0, std::move(told));
        } else {
            told(who, {ending::no_process, {}});
        }
    });
}

void process_host::prepare(mesh::settings& how) {
    how.life = core_->life();
    how.name = core_->name_of(core_->life());
    how.frames[process_detail::far_side::message_frame] = [core = core_](const mesh::arrival& one) {
        core->far().take_message(one);
    };
    how.frames[process_detail::far_side::signal_frame] = [core = core_](const mesh::arrival& one) {
        core->far().take_signal(one);
    };
    how.unconfirmed = [core = core_](const mesh::peer&,
                                     std::uint8_t type,
                                     const mesh::frame_note& note,
                                     std::uint32_t count) {
        core->far().unconfirmed(type, note, count);
    };
    how.lost = [core = core_](const member_id& id, const error&) { core->far().lost(id); };
}

void process_host::attach(mesh::mesh& net,
                          std::function<std::optional<mesh::peer>(const member_id&)> find,
                          std::function<std::string(const member_id&)> name,
                          std::function<bool(const member_id&)> has_ended) {
    core_->know_names(std::move(name));
    core_->far().attach(net, std::move(find), std::move(has_ended));
}

void process_host::detach() {
    core_->far().detach();
}

bool process_host::take_request(mesh::incoming& what) {
    return core_->far().take_request(what);
}

void process_host::life_ended(const member_id& life) {
    core_->far().life_ended(life);
}

void process_host::peers_changed() {
    core_->far().peers_changed();
}

const member_id& process_host::life() const noexcept {
    return core_->life();
}

void process_host::add_factory(
    const std::string& name,
    std::function<result<std::move_only_function<process(self)>>(std::string_view)> make) {
    core_->add_factory(name, std::move(make));
}

pending<pid> process_host::spawn_on(const member_id& life,
                                    std::string name,
                                    std::string arguments) {
    auto [answer, told] = make_pending<pid>();
    if (life == core_->life()) {
        told(core_->make(name, arguments));
    } else {
        core_->far().spawn(life, std::move(name), std::move(arguments), std::move(told));
    }
    return std::move(answer);
}

void process_host::shapes_of(const pid& who, callback<result<std::string>> done) {
    if (core_->is_far(who)) {
        core_->far().shapes(who, std::move(done));
    } else {
        done(fail(errc::invalid_argument, who.text() + " is no process of another node"));
    }
}

result<void> process_host::send_raw(const pid& to, std::string type, std::string body) {
    return router_->deliver(to, std::make_unique<raw_parcel>(std::move(type), std::move(body)));
}

pending<std::size_t> process_host::watchers_of(const pid& who) {
    auto [answer, told] = make_pending<std::size_t>();
    core_->signal_to(who, [tell = std::move(told)](process_core* alive) mutable {
        tell(alive == nullptr ? 0 : alive->watchers.size());
    });
    return std::move(answer);
}

void process_host::exit(const pid& who, std::string text) {
    if (core_->is_far(who)) {
        core_->far().exit({}, who, {ending::exited, std::move(text)}, false);
        return;
    }
    core_->signal_to(who, [text = std::move(text)](process_core* alive) {
        if (alive != nullptr) {
            alive->on_exit_signal({}, {ending::exited, text}, false);
        }
    });
}

void process_host::kill(const pid& who) {
    if (core_->is_far(who)) {
        core_->far().kill(who);
        return;
    }
    core_->signal_to(who, [](process_core* alive) {
        if (alive != nullptr) {
            alive->end({ending::killed, {}});
        }
    });
}

void process_host::stop(duration grace, task_fn stopped) {
    core_->begin_stop(grace, std::move(stopped));
}

std::size_t process_host::living() const noexcept {
    return core_->living.load(std::memory_order_acquire);
}

void process_host::say_lost_by(std::function<void(std::uint64_t)> how) {
    core_->say_lost_by(std::move(how));
}

std::uint64_t process_host::lost() const noexcept {
    return core_->lost.load(std::memory_order_acquire);
}

}  // namespace muster
