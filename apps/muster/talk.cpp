#include "talk.hpp"

#include "source.hpp"

#include <algorithm>
#include <utility>

namespace muster::cli {
namespace {

config settings_of(const settings& common) {
    config out;
    out.cluster = common.cluster.value;
    out.zookeeper = common.zookeeper.value;
    out.digest = common.digest.value;
    out.ask_deadline = common.timeout.value;
    out.session_timeout = session_timeout_within(common.timeout.value);
    return out;
}

}  // namespace

talk::talk(context& at)
    : ground_{at.ground},
      deadline_{at.ground->now() + at.common.timeout.value},
      core_{std::make_shared<detail::client_core>(settings_of(at.common),
                                                  std::make_shared<detail::machine>(at.ground))} {
    core_->start();
}

talk::~talk() {
    core_->shut();
}

std::chrono::nanoseconds talk::left() const {
    return std::max<duration>(deadline_ - ground_->now(), 1ms);
}

failure talk_failure(const talk& with, const error& what) {
    failure out = failure_of(what);
    switch (what.code) {
        case errc::handler_failed:
        case errc::invalid_argument:
            out.code = "MUS0106";
            break;
        case errc::not_found:
        case errc::incompatible:
            out.code = "MUS0612";
            break;
        case errc::gone:
            out.code = "MUS0107";
            break;
        case errc::unavailable:
            // ZooKeeper answers, and knows nothing of such a cluster.
            if (!with.client().stranded() && with.client().newest_view()->number == 0) {
                out.code = "MUS0601";
            }
            break;
        default:
            break;
    }
    return out;
}

failure usage(std::string what, std::string hint) {
    return {.code = "MUS0605", .message = std::move(what), .facts = {}, .hint = std::move(hint)};
}

outcome<boost::json::value> json_argument(std::string_view name, std::string_view text) {
    boost::system::error_code trouble;
    auto parsed = boost::json::parse(text, trouble);
    if (trouble) {
        return std::unexpected(
            failure{.code = "MUS0605",
                    .message = std::string{name} + " is no JSON: " + trouble.message(),
                    .facts = {{"given", std::string{text}}},
                    .hint = R"(quote it for the shell, as in '{"key":"ann"}')"});
    }
    return parsed;
}

}  // namespace muster::cli
