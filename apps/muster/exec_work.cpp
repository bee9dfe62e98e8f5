#include "exec_work.hpp"

#include <utility>

namespace muster::cli {

result<void> exec_work::begin(const std::shared_ptr<cluster::right>& mine, instant lease_end) {
    job one;
    one.mine = mine;
    one.lease_end = lease_end;
    one.restart = loop_->make_timer();
    job& kept = jobs_.insert_or_assign(mine.get(), std::move(one)).first->second;
    auto how = start(kept);
    if (!how) {
        jobs_.erase(mine.get());
        told_.log("exec.failed", how.error().text);
        if (told_.cannot_start) {
            told_.cannot_start(how.error());
        }
    }
    return how;
}

result<void> exec_work::start(job& one) {
    const place which = one.mine.get();
    auto ended_there = [loop = loop_, wrapped = life_.wrap([this, which](const run_end& how) {
        ended(which, how);
    })](const run_end& how) mutable {
        loop->post([wrapped = std::move(wrapped), how]() mutable { wrapped(how); });
    };
    auto started =
        pool_.start(told_.command(one.mine->what()), one.lease_end, std::move(ended_there));
    if (!started) {
        return std::unexpected(started.error());
    }
    one.running = *started;
    return {};
}

void exec_work::extend(const cluster::right& mine, instant lease_end) {
    const auto at = jobs_.find(&mine);
    if (at != jobs_.end() && lease_end > at->second.lease_end) {
        at->second.lease_end = lease_end;
        if (at->second.running) {
            pool_.extend(*at->second.running, lease_end);
        }
    }
}

void exec_work::end(const cluster::right& mine, instant kill_at, callback<> done) {
    const auto at = jobs_.find(&mine);
    if (at == jobs_.end()) {
        done();
        return;
    }
    job& one = at->second;
    one.stopping = true;
    one.restart->cancel();
    if (!one.running) {
        jobs_.erase(at);
        done();
        return;
    }
    one.stopped = std::move(done);
    pool_.stop(*one.running, kill_at);
}

void exec_work::ended(place which, const run_end& how) {
    const auto at = jobs_.find(which);
    if (at == jobs_.end()) {
        return;
    }
    job& one = at->second;
    one.running.reset();
    const auto what = one.mine->what();
    const std::string name = what.resource + "/" + what.partition;
    if (how.remains > 0) {
        told_.log("exec.remains",
                  name + ": its warden was killed, and " + std::to_string(how.remains) +
                      " processes that it left could not be");
    }
    // Also of one that was to be stopped, or whose lease is over by now: it may have ended by
    // itself before that, and only the word of it come late.
    const bool handled = told_.ended(what, how);
    if (one.stopping) {
        auto done = std::move(one.stopped);
        jobs_.erase(at);
        done();
        return;
    }
    told_.log("exec.ended", name + ": " + how.text());
    if (!one.mine->valid(loop_->now())) {
        return;  // The revoke follows.
    }
    if (handled || how.was_fine()) {
        return;  // Done under this fence; the right is kept.
    }
    const auto next = one.policy.failed_at(loop_->now());
    if (!next) {
        told_.log("exec.failed", name + ": failed five times within a minute");
        told_.failed(what);
        return;
    }
    one.restart->set(*next, life_.wrap([this, which] {
        const auto here = jobs_.find(which);
        if (here == jobs_.end() || here->second.stopping ||
            !here->second.mine->valid(loop_->now())) {
            return;
        }
        if (const auto started = start(here->second); !started) {
            told_.log("exec.failed", started.error().text);
            if (told_.cannot_start) {
                told_.cannot_start(started.error());
            } else {
                told_.failed(here->second.mine->what());
            }
        }
    }));
}

}  // namespace muster::cli
