#include "cluster/session_context.hpp"

namespace muster::cluster {

instant next_anti_entropy(runtime::loop& loop) {
    constexpr duration every = 60s;
    const auto spread = loop.random_below(static_cast<std::uint64_t>((every / 4).count()));
    return loop.now() + every * 3 / 4 + duration{static_cast<duration::rep>(spread)};
}

namespace reading {
namespace {

bool session_lives(const session_context& at) {
    const auto state = at.zk.state();
    return state == zookeeper::session_state::connecting ||
           state == zookeeper::session_state::connected;
}

}  // namespace

void get(const session_context& at,
         const life_guard& life,
         std::string path,
         zookeeper::client::on_event watch,
         callback<zookeeper::reply<zookeeper::node_data>> done) {
    auto seen = [&at, &life, path, watch, done = std::move(done)](
                    zookeeper::reply<zookeeper::node_data> got) mutable {
        if (again(got) && session_lives(at)) {
            get(at, life, std::move(path), std::move(watch), std::move(done));
            return;
        }
        done(std::move(got));
    };
    at.zk.get(path, watch, never, life.wrap(std::move(seen)));
}

void children(const session_context& at,
              const life_guard& life,
              std::string path,
              zookeeper::client::on_event watch,
              callback<zookeeper::reply<zookeeper::node_children>> done) {
    auto seen = [&at, &life, path, watch, done = std::move(done)](
                    zookeeper::reply<zookeeper::node_children> got) mutable {
        if (again(got) && session_lives(at)) {
            children(at, life, std::move(path), std::move(watch), std::move(done));
            return;
        }
        done(std::move(got));
    };
    at.zk.children(path, watch, never, life.wrap(std::move(seen)));
}

void exists(const session_context& at,
            const life_guard& life,
            std::string path,
            zookeeper::client::on_event watch,
            callback<zookeeper::reply<zookeeper::stat>> done) {
    auto seen = [&at, &life, path, watch, done = std::move(done)](
                    zookeeper::reply<zookeeper::stat> got) mutable {
        if (again(got) && session_lives(at)) {
            exists(at, life, std::move(path), std::move(watch), std::move(done));
            return;
        }
        done(std::move(got));
    };
    at.zk.exists(path, watch, never, life.wrap(std::move(seen)));
}

}  // namespace reading

}  // namespace muster::cluster
