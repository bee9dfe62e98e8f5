#include "muster/client.hpp"

#include "node/client_core.hpp"
#include "node/machine.hpp"
#include "runtime/real.hpp"

#include <utility>

namespace muster {
namespace {

std::shared_ptr<detail::machine> this_machine() {
    return std::make_shared<detail::machine>(runtime::make_real_platform());
}

}  // namespace

client::client(std::string cluster)
    : core_{std::make_shared<detail::client_core>(config::load(std::move(cluster)),
                                                  this_machine())} {}

client::client(config settings) : client{std::move(settings), this_machine()} {}

client::client(config settings, std::shared_ptr<detail::machine> on)
    : core_{std::make_shared<detail::client_core>(std::move(settings), std::move(on))} {}

client::~client() {
    core_->shut();
}

view client::view() {
    core_->start();
    return *core_->newest_view();
}

std::shared_ptr<detail::resource_core> client::use_core(std::string name) {
    core_->start();
    return core_->use(std::move(name));
}

global client::global_of(std::string name) {
    core_->start();
    return core_->global_of(name);
}

global client::leader() {
    core_->start();
    return core_->leader();
}

const std::shared_ptr<detail::router>& client::processes() {
    core_->start();
    return core_->held_way();
}

std::chrono::nanoseconds client::ask_deadline() const {
    return core_->ask_deadline();
}

}  // namespace muster
