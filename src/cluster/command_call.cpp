#include "cluster/command_call.hpp"

#include <utility>

namespace muster::cluster {

using zookeeper::outcome;
using zookeeper::zk_error;

command_call::command_call(runtime::loop& at,
                           zookeeper::client& zk,
                           const paths& where,
                           const command_record& what,
                           instant deadline,
                           callback<result<void>> done)
    : loop_{at}, zk_{zk}, done_{std::move(done)}, deadline_{deadline}, timer_{at.make_timer()} {
    const member_id uuid{loop_.random_u64(), loop_.random_u64()};
    zookeeper::create_op ask{.path = where.commands() + "/" + uuid.text() + "-",
                             .data = encode_command(what),
                             .mode = zookeeper::create_mode::persistent_sequential};
    timer_->set(deadline, life_.wrap([this] {
        finish(fail(errc::timed_out,
                    "the leader has not answered in time; the request stays, and "
                    "may still be carried out: look before asking again"));
    }));
    zk_.create(std::move(ask),
               deadline,
               life_.wrap([this, commands = where.commands()](
                              const zookeeper::reply<zookeeper::created>& got) {
                   if (got.ok()) {
                       look(got.value.path);
                   } else if (got.refused_with(zk_error::no_node)) {
                       finish(fail(errc::not_found,
                                   commands + " does not exist: no member has "
                                              "joined this cluster yet"));
                   } else if (got.how == outcome::outcome_unknown) {
                       finish(fail(errc::outcome_unknown,
                                   "the connection to ZooKeeper broke while "
                                   "asking: " +
                                       got.text));
                   } else if (got.refused_with(zk_error::no_auth)) {
                       finish(fail(errc::not_authorized, commands + ": " + got.text));
                   } else {
                       finish(fail(errc::unavailable, "could not ask the leader: " + got.text));
                   }
               }));
}

void command_call::look(const std::string& path) {
    auto changed = life_.wrap([this, path](const zookeeper::watch_event&) { look(path); });
    zk_.get(path,
            std::move(changed),
            deadline_,
            life_.wrap([this, path](const zookeeper::reply<zookeeper::node_data>& got) {
                if (!done_) {
                    return;
                }
                if (!got.ok()) {
                    if (got.how == outcome::not_sent && loop_.now() < deadline_) {
                        look(path);
                    }
                    return;  // The timer says it otherwise.
                }
                const auto command = decode_command(got.value.data, path);
                if (command && command->outcome) {
                    finish(*command->outcome);
                }
            }));
}

void command_call::finish(result<void> how) {
    if (!done_) {
        return;
    }
    timer_->cancel();
    auto done = std::exchange(done_, {});
    done(std::move(how));
}

void command_calls::change_list(zookeeper::client* zk,
                                const std::string& resource,
                                const std::string& partition,
                                bool add,
                                instant deadline,
                                callback<result<void>> done) {
    if (zk == nullptr) {
        loop_.post([done = std::move(done)]() mutable {
            done(fail(errc::stranded, "no ZooKeeper server has been found yet"));
        });
        return;
    }
    const command_record what{
        .kind = add ? command_kind::add_partition : command_kind::remove_partition,
        .resource = resource,
        .partition = partition,
        .member = {},
        .outcome = std::nullopt};
    const auto call = calls_.emplace(calls_.end());
    *call = std::make_unique<command_call>(
        loop_,
        *zk,
        where_,
        what,
        deadline,
        [this, call, done = std::move(done)](result<void> how) mutable {
            done(std::move(how));
            loop_.post(life_.wrap([this, call] { calls_.erase(call); }));
        });
}

}  // namespace muster::cluster
