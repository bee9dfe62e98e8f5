#pragma once

/// @file
/// The inside of a `responder`: where its answer goes.

#include "mesh/frame.hpp"
#include "mesh/mesh.hpp"

#include <memory>
#include <string>

namespace muster::mesh {

class connection;
class mesh_core;

class responder::impl {
public:
    /// Answers on the connection that brought the request, if it still stands.
    [[nodiscard]] static std::unique_ptr<impl> remote(std::weak_ptr<connection> to,
                                                      std::uint64_t id);
    /// Answers a request of this node to itself.
    [[nodiscard]] static std::unique_ptr<impl> own(std::weak_ptr<mesh_core> core,
                                                   std::size_t worker,
                                                   std::uint64_t id);

    void reply(std::string body);
    void fail(const error& why);

private:
    std::weak_ptr<connection> to_;
    std::weak_ptr<mesh_core> core_;
    std::size_t worker_ = 0;
    std::uint64_t id_ = 0;
};

}  // namespace muster::mesh
