#include "cluster/observer.hpp"

#include "cluster/codec.hpp"
#include "cluster/command_call.hpp"
#include "cluster/plan/reader.hpp"
#include "cluster/view/describer.hpp"
#include "cluster/view/reader.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace muster::cluster {
namespace {

using zookeeper::session_state;
using zookeeper::zk_error;

/// Owns nothing that ends with its session, so there is no lease to keep it short for.
constexpr std::chrono::milliseconds usual_timeout{6'000};

/// What outlives a session.
struct memory {
    member_settings settings;
    std::shared_ptr<observer_host> host;
    std::set<std::string> resources;
    std::int64_t known_view = 0;
    known_plans plans;
    std::map<member_id, descriptor> descriptors;
};

/// What is seen through one session.
class sight {
public:
    sight(const std::shared_ptr<runtime::loop>& loop,
          zookeeper::client& zk,
          const paths& where,
          member_id self,
          memory& all)
        : memory_{all},
          at_{loop, *loop, zk, where, all.settings, self},
          describer_{at_,
                     memory_.descriptors,
                     [this](std::shared_ptr<const view_snapshot> now) {
                         memory_.host->view_changed(std::move(now));
                     }},
          entropy_{loop->make_timer()} {
        read_root();
    }

    void follow(const std::string& resource) {
        if (!begun_) {
            return;  // Taken up when it begins.
        }
        plans_.try_emplace(
            resource,
            at_,
            resource,
            memory_.plans.before_newest(resource),
            [this, resource](const specification& spec, const plan& whole) {
                memory_.plans.saw(resource, whole.number);
                memory_.host->plan_changed(
                    std::make_shared<plan_snapshot>(resource, at_.incarnation, spec, whole));
            },
            [this, resource](const error& why) { memory_.host->plan_trouble(resource, why); });
    }

private:
    void read_root() {
        const std::string path = at_.where.root();
        reading::get(
            at_, life_, path, {}, [this, path](const zookeeper::reply<zookeeper::node_data>& got) {
                if (got.refused_with(zk_error::no_node)) {
                    blind({errc::unavailable,
                           "cluster '" + memory_.settings.cluster + "' does not exist (" + path +
                               "): it appears when its first member joins"});
                    await(path, [this] { read_root(); });
                    return;
                }
                if (!got.ok()) {
                    refused(path, got);
                    return;
                }
                const auto root = decode<root_record>(got.value.data, path);
                if (!root) {
                    blind(root.error());
                    return;
                }
                at_.incarnation = root->incarnation;
                read_key();
            });
    }

    void read_key() {
        const std::string path = at_.where.key();
        reading::get(
            at_, life_, path, {}, [this, path](const zookeeper::reply<zookeeper::node_data>& got) {
                if (got.refused_with(zk_error::no_node)) {
                    blind({errc::unavailable,
                           "the cluster has no key yet (" + path +
                               "): it is made when its first member joins"});
                    await(path, [this] { read_key(); });
                    return;
                }
                if (!got.ok()) {
                    refused(path, got);
                    return;
                }
                auto key = decode<key_record>(got.value.data, path);
                if (!key) {
                    blind(key.error());
                    return;
                }
                memory_.host->cluster_key(std::move(key->bytes));
                begin();
            });
    }

    void begin() {
        begun_ = true;
        view_.emplace(at_, memory_.known_view - 1, [this](const view_record& now) {
            memory_.known_view = std::max(memory_.known_view, now.number);
            describer_.seen(now);
        });
        for (const std::string& resource : memory_.resources) {
            follow(resource);
        }
        look_again();
    }

    /// Anti-entropy, as members do it.
    void look_again() {
        entropy_->set(next_anti_entropy(at_.loop), life_.wrap([this] {
            view_->look();
            for (auto& [name, reader] : plans_) {
                reader.look_again();
            }
            look_again();
        }));
    }

    template <class Then>
    void await(const std::string& path, Then then) {
        auto appeared = life_.wrap([then](const zookeeper::watch_event&) { then(); });
        reading::exists(at_,
                        life_,
                        path,
                        std::move(appeared),
                        [then](const zookeeper::reply<zookeeper::stat>& got) {
                            if (got.ok()) {
                                then();  // It came between the two reads; the watch is harmless.
                            }
                        });
    }

    void refused(const std::string& path, const zookeeper::reply<zookeeper::node_data>& got) {
        if (got.refused_with(zk_error::no_auth)) {
            blind({errc::not_authorized,
                   "ZooKeeper does not let this process read " + path + ": " + got.text +
                       "; `digest` must be the one that the members have"});
        } else {
            blind({errc::unavailable, "could not read " + path + ": " + got.text});
        }
    }

    void blind(const error& why) { memory_.host->blind(why); }

    memory& memory_;
    session_context at_;
    view_describer describer_;
    std::optional<view_reader> view_;
    std::map<std::string, plan_reader> plans_;
    std::unique_ptr<runtime::timer> entropy_;
    bool begun_ = false;
    life_guard life_;
};

class watcher final : public observer {
public:
    watcher(std::shared_ptr<runtime::loop> control,
            member_settings settings,
            member_id self,
            std::shared_ptr<observer_host> host)
        : loop_{std::move(control)}, self_{self}, where_{settings.cluster}, calls_{*loop_, where_} {
        memory_.settings = std::move(settings);
        memory_.host = std::move(host);
        zookeeper::client_options options;
        options.servers = memory_.settings.servers;
        options.session_timeout = memory_.settings.session_timeout.value_or(usual_timeout);
        options.default_acl = memory_.settings.access;
        options.auth = memory_.settings.auth;
        options.ping_interval = options.session_timeout / 3;
        zk_ = zookeeper::client::start(
            loop_, std::move(options), [this](const zookeeper::session_change& change) {
                session_changed(change);
            });
    }

    void follow(const std::string& resource) override {
        if (memory_.resources.insert(resource).second && now_) {
            now_->follow(resource);
        }
    }

    void change_list(const std::string& resource,
                     const std::string& partition,
                     bool add,
                     instant deadline,
                     callback<result<void>> done) override {
        calls_.change_list(zk_.get(), resource, partition, add, deadline, std::move(done));
    }

    void leave(instant deadline, callback<> done) override {
        now_.reset();
        zk_->close(deadline,
                   [done = std::move(done)](const zookeeper::reply<zookeeper::nothing>&) mutable {
                       done();
                   });
    }

private:
    void session_changed(const zookeeper::session_change& change) {
        if (change.state != session_state::connected) {
            memory_.host->session_lost();
        }
        switch (change.state) {
            case session_state::connected:
                if (change.is_new || !now_) {
                    now_ = std::make_unique<sight>(loop_, *zk_, where_, self_, memory_);
                }
                memory_.host->session_began(*zk_, change.is_new);
                break;
            case session_state::connecting:
                memory_.host->blind(
                    {errc::unavailable, "no ZooKeeper server answers: " + change.text});
                break;
            case session_state::expired:
                now_.reset();
                zk_->renew();
                break;
            case session_state::auth_failed:
                now_.reset();
                memory_.host->blind(
                    {errc::not_authorized, "ZooKeeper refused the credentials: " + change.text});
                break;
            case session_state::closed:
                break;
        }
    }

    std::shared_ptr<runtime::loop> loop_;
    member_id self_;
    paths where_;
    memory memory_;
    std::unique_ptr<zookeeper::client> zk_;
    std::unique_ptr<sight> now_;
    command_calls calls_;
};

}  // namespace

std::unique_ptr<observer> observer::start(std::shared_ptr<runtime::loop> control,
                                          member_settings settings,
                                          member_id self,
                                          std::shared_ptr<observer_host> host) {
    return std::make_unique<watcher>(
        std::move(control), std::move(settings), self, std::move(host));
}

}  // namespace muster::cluster
