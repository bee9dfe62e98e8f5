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

void process_host::watch(const pid& who,
                         std::move_only_function<void(const pid&, const exit_reason&)> told) {
    const bool local = core_->is_local(who);
    core_->signal_to(who, [who, local, told = std::move(told)](process_core* alive) mutable {
        if (alive != nullptr) {
            alive->watchers.emplace_back(0, std::move(told));
        } else {
            told(who, {local ? ending::no_process : ending::unreachable, {}});
        }
    });
}

void process_host::exit(const pid& who, std::string text) {
    core_->signal_to(who, [text = std::move(text)](process_core* alive) {
        if (alive != nullptr) {
            alive->on_exit_signal({}, {ending::exited, text}, false);
        }
    });
}

void process_host::kill(const pid& who) {
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

std::uint64_t process_host::lost() const noexcept {
    return core_->lost.load(std::memory_order_acquire);
}

}  // namespace muster
