#include "mesh/mesh.hpp"

#include "mesh/frame.hpp"
#include "mesh/mesh_core.hpp"

#include <utility>

namespace muster::mesh {
namespace {

class mesh_of_node final : public mesh {
public:
    mesh_of_node(std::shared_ptr<runtime::platform> machine, std::shared_ptr<mesh_core> core)
        : machine_{std::move(machine)}, core_{std::move(core)} {}

    ~mesh_of_node() override {
        core_->stop([] {});
    }

    [[nodiscard]] runtime::endpoint local() const override { return core_->local(); }
    void become(member_id id) override { core_->become(id); }
    void set_key(std::string key) override { core_->set_key(std::move(key)); }
    void request(const peer& to,
                 std::string body,
                 instant deadline,
                 callback<result<std::string>> done) override {
        core_->request(to, body, deadline, std::move(done));
    }
    [[nodiscard]] result<void> post(const peer& to,
                                    std::uint8_t type,
                                    std::uint64_t id,
                                    std::string_view body) override {
        return core_->post(to, type, id, body);
    }

    [[nodiscard]] std::shared_ptr<way> way_to(const peer& to) override {
        return core_->link_to(to);
    }
    void request(way& by,
                 std::string_view body,
                 instant deadline,
                 callback<result<std::string>> done) override {
        core_->request(static_cast<peer_link&>(by), body, deadline, std::move(done));
    }
    [[nodiscard]] result<void> post(way& by,
                                    std::uint8_t type,
                                    std::uint64_t id,
                                    std::string_view body) override {
        return core_->post(static_cast<peer_link&>(by), type, id, {}, body);
    }
    [[nodiscard]] result<void> post(way& by,
                                    std::uint8_t type,
                                    std::string_view lead,
                                    std::string_view body) override {
        return core_->post(static_cast<peer_link&>(by), type, 0, lead, body);
    }

    [[nodiscard]] std::size_t waiting_for(const peer& to) const override {
        return core_->waiting_for(to);
    }

    [[nodiscard]] bool is_connected(const member_id& id) const override {
        return core_->is_connected(id);
    }

    [[nodiscard]] counters count() const override {
        const mesh_core::tallies& now = core_->tally;
        return {now.connections,
                now.frames_in,
                now.frames_out,
                now.bytes_in,
                now.bytes_out,
                now.refused,
                now.broken};
    }

    std::vector<peer_counters> peers() const override { return core_->peers(); }

    void stop(task_fn done) override { core_->stop(std::move(done)); }
    void stop() override {
        // Shared with the workers: one that is stuck may come to it long after.
        const std::shared_ptr<runtime::gate> ended = machine_->make_gate();
        core_->stop([ended] { ended->open(); });
        static_cast<void>(ended->wait(machine_->now() + 5s));
    }

    void drop() override { core_->drop(); }

private:
    const std::shared_ptr<runtime::platform> machine_;
    const std::shared_ptr<mesh_core> core_;
};

}  // namespace

std::string_view next_of(std::string_view& rest) noexcept {
    return next_of_run(rest);
}

result<std::unique_ptr<mesh>> mesh::start(std::shared_ptr<runtime::platform> machine,
                                          std::vector<std::shared_ptr<runtime::loop>> workers,
                                          settings wanted,
                                          on_request handler) {
    if (workers.empty() || wanted.cluster.empty()) {
        return fail(errc::invalid_argument, "a mesh needs a worker and the name of a cluster");
    }
    const auto first = workers.front();
    const bool accepts = wanted.accept;
    auto core =
        std::make_shared<mesh_core>(std::move(workers), std::move(wanted), std::move(handler));
    result<void> listening;
    if (accepts && first->is_current()) {
        listening = core->listen();
    } else if (accepts) {
        const auto ready = machine->make_gate();
        first->post([&] {
            listening = core->listen();
            ready->open();
        });
        if (!ready->wait(never)) {
            return fail(errc::unavailable, "the first worker did not run");
        }
    }
    if (!listening) {
        return std::unexpected{listening.error()};
    }
    return std::make_unique<mesh_of_node>(std::move(machine), std::move(core));
}

}  // namespace muster::mesh
