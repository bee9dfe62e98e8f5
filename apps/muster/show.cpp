#include "show.hpp"

#include "parse.hpp"
#include "runtime/real_signals.hpp"

#include <optional>
#include <sstream>
#include <thread>

namespace muster::cli {
namespace {

outcome<exit_code> read_and_print(
    context& at, source& from, bool with_servers, const printer& print, std::ostream& out) {
    const auto all = with_servers ? from.read_with_servers() : from.read();
    if (!all) {
        return std::unexpected(all.error());
    }
    return print(*all, {.as = at.common.as, .colours = at.colours}, out);
}

/// Until interrupted. A failed reading is told of, and tried again.
void repeat(context& at, source& from, bool with_servers, const printer& print) {
    do {
        std::ostringstream page;
        const auto how = read_and_print(at, from, with_servers, print, page);
        if (at.screen && at.common.as != format::json) {
            at.out << "\033[H\033[2J";
        }
        at.out << page.str() << std::flush;
        if (!how) {
            complain(at, how.error());
        }
    } while (from.wait_for_change(duration{0}) && [&] {
        // Not at each change: a page that is redrawn too often cannot be read.
        const instant until = at.ground->now() + *at.common.watch;
        bool go_on = true;
        while (go_on && at.ground->now() < until) {
            go_on = from.wait_for_change(until - at.ground->now());
        }
        return go_on;
    }());
}

}  // namespace

exit_code show(context& at, bool with_servers, const printer& print) {
    std::optional<runtime::signal_watch> signals;
    if (at.common.watch) {
        signals.emplace();
    }
    auto from = open_source(at);
    if (!from) {
        return complain(at, from.error());
    }
    if (signals) {
        std::thread worker{[&] { repeat(at, **from, with_servers, print); }};
        static_cast<void>(signals->wait());
        (*from)->interrupt();
        worker.join();
        return exit_code::interrupted;
    }
    const auto how = read_and_print(at, **from, with_servers, print, at.out);
    return how ? *how : complain(at, how.error());
}

outcome<void> must_exist(const picture& all) {
    if (all.exists) {
        return {};
    }
    return std::unexpected(
        failure{.code = "MUS0601",
                .message = "there is no cluster '" + all.cluster + "': no member ever joined it",
                .facts = {},
                .hint = "start a member, or name another cluster with --cluster"});
}

outcome<const resource_facts*> must_have(const picture& all, const std::string& resource) {
    if (auto exists = must_exist(all); !exists) {
        return std::unexpected(exists.error());
    }
    const auto found = all.resources.find(resource);
    if (found == all.resources.end() || found->second.spec.tombstone) {
        std::vector<std::string_view> names;
        for (const auto& [name, facts] : all.resources) {
            names.push_back(name);
        }
        failure made{.code = "MUS0602",
                     .message = "cluster '" + all.cluster + "' has no resource '" + resource + "'",
                     .facts = {},
                     .hint = "muster resources lists those that exist"};
        if (const auto meant = nearest(resource, names); !meant.empty()) {
            made.facts.emplace_back("likely", "you meant '" + std::string{meant} + "'");
        }
        return std::unexpected(std::move(made));
    }
    if (!found->second.plan) {
        return std::unexpected(
            failure{.code = "MUS0608",
                    .message = "resource '" + resource + "': " + found->second.trouble,
                    .facts = {},
                    .hint = "a plan appears once a member leads; muster status"});
    }
    return &found->second;
}

}  // namespace muster::cli
