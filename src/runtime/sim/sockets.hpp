#pragma once

/// @file
/// What rooms hold of a simulated network: listeners here; streams and operations in the source.

#include "runtime/sim/connection.hpp"
#include "runtime/sim/loop_core.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace muster::runtime::sim {

/// A port that is listened on, and the connections nobody has picked up yet.
class listener_core final : public work,
                            public tenant,
                            public std::enable_shared_from_this<listener_core> {
public:
    using accepted_fn = std::function<void(std::unique_ptr<stream>)>;
    using place_fn = std::function<std::shared_ptr<loop>()>;

    listener_core(loop_core& home, endpoint at, accepted_fn accepted, place_fn place);
    ~listener_core();

    [[nodiscard]] const endpoint& at() const { return at_; }
    [[nodiscard]] bool is_open() const { return open_; }
    void arrived(std::shared_ptr<connection> fresh);
    void close();

    void run() override;
    void abandon() override { close(); }

private:
    const endpoint at_;
    const std::shared_ptr<accepted_fn> accepted_;
    const place_fn place_;
    std::deque<std::shared_ptr<connection>> backlog_;
    bool open_ = true;
};

[[nodiscard]] std::unique_ptr<operation> start_connect(
    const std::shared_ptr<loop_core>& home,
    const endpoint& to,
    instant deadline,
    callback<result<std::unique_ptr<stream>>> done);
[[nodiscard]] result<std::unique_ptr<listener>> start_listen(
    const std::shared_ptr<loop_core>& home,
    const endpoint& at,
    std::function<void(std::unique_ptr<stream>)> accepted,
    std::function<std::shared_ptr<loop>()> place);
[[nodiscard]] std::unique_ptr<operation> start_resolve(
    const std::shared_ptr<loop_core>& home,
    const host_port& name,
    instant deadline,
    callback<result<std::vector<endpoint>>> done);

}  // namespace muster::runtime::sim
