#pragma once

/// @file
/// What the agents of one incarnation share, and reads that go on until they are answered.

#include "base/callback.hpp"
#include "base/life_guard.hpp"
#include "cluster/paths.hpp"
#include "cluster/settings.hpp"
#include "runtime/loop.hpp"
#include "zookeeper/client.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace muster::cluster {

/// Threads: control loop only. Lives as long as the incarnation it speaks for.
struct session_context {
    std::shared_ptr<runtime::loop> owner;  ///< for completions that come from elsewhere
    runtime::loop& loop;                   ///< the same
    zookeeper::client& zk;
    const paths& where;
    const member_settings& settings;
    member_id self;
    std::int32_t incarnation = 1;

    void log(log_level level, std::string_view event, std::string text) const {
        if (settings.log) {
            settings.log(level, event, std::move(text));
        }
    }
};

/// When to read again though no watch fired: a lost watch event is healed within a minute. Spread,
/// so that not all do it at once.
[[nodiscard]] instant next_anti_entropy(runtime::loop& loop);

/// Reads are repeated while their connection breaks: a read has no effect, and the client waits
/// for a connection by itself. They end with an answer, with a refusal, or with the session.
namespace reading {

template <class Reply>
[[nodiscard]] bool again(const Reply& got) {
    return got.how == zookeeper::outcome::not_sent ||
           got.how == zookeeper::outcome::outcome_unknown;
}

void get(const session_context& at,
         const life_guard& life,
         std::string path,
         zookeeper::client::on_event watch,
         callback<zookeeper::reply<zookeeper::node_data>> done);
void children(const session_context& at,
              const life_guard& life,
              std::string path,
              zookeeper::client::on_event watch,
              callback<zookeeper::reply<zookeeper::node_children>> done);
void exists(const session_context& at,
            const life_guard& life,
            std::string path,
            zookeeper::client::on_event watch,
            callback<zookeeper::reply<zookeeper::stat>> done);

}  // namespace reading

}  // namespace muster::cluster
