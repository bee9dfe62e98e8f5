#include "muster/instances.hpp"

#include "node/global_wire.hpp"
#include "talk.hpp"
#include "verbs.hpp"

#include <algorithm>
#include <utility>

namespace muster::cli {
namespace {

constexpr duration look_again = 20ms;
/// Of a cluster without globals, which no plan will name.
constexpr duration patience_for_globals = 500ms;

/// What that process takes. Its member may be about to appear in the view.
result<std::string> ask_shapes(talk& with, context& at, const pid& who) {
    const instant last = at.ground->now() + with.left();
    for (;;) {
        auto got = with.wait<std::string>([&](completer<std::string> told) {
            with.client().processes().shapes_of(who, std::move(told));
        });
        if (got || got.error().code != errc::unavailable || at.ground->now() >= last) {
            return got;
        }
        static_cast<void>(at.ground->make_gate()->wait(at.ground->now() + look_again));
    }
}

/// The process that the cluster has one of by that name; empty: there is none.
result<pid> find_global(talk& with, const std::string& name) {
    using names = std::vector<std::string>;
    const auto seats = with.client().use(std::string{detail::globals_resource});
    const auto all = with.wait<names>([&](completer<names> told) {
        seats->when_planned(
            std::min<std::chrono::nanoseconds>(with.left(), patience_for_globals),
            [told = std::move(told)](std::int64_t, names found, std::chrono::nanoseconds) mutable {
                told(std::move(found));
            });
    });
    if (!all || std::ranges::find(*all, name) == all->end()) {
        return pid{};
    }
    return with.client().global_of(name).where().get();
}

/// One of those that are registered under a name, or the global process of that name.
result<pid> find_one(talk& with, const std::string& name) {
    const auto all = detail::find(*with.client().way(), name).get();
    if (!all) {
        return std::unexpected{all.error()};
    }
    if (const auto one = all->pick(random)) {
        return *one;
    }
    auto one = find_global(with, name);
    if (one && one->empty()) {
        return fail(errc::not_found,
                    "no process is registered under '" + name +
                        "' in this cluster, nor does anybody stand for it; a name leaves its node "
                        "only if it begins with `publish_prefix`");
    }
    return one;
}

outcome<pid> send(talk& with, context& at, const given& words, const boost::json::value& body) {
    const auto who = find_one(with, words.arguments[0]);
    if (!who) {
        return std::unexpected(talk_failure(with, who.error()));
    }
    const auto json = ask_shapes(with, at, *who);
    const auto all = json ? read_shapes(*json) : std::unexpected{json.error()};
    const auto shape = all ? find_shape(*all, words.arguments[1]) : std::unexpected{all.error()};
    if (!shape) {
        return std::unexpected(
            talk_failure(with, {shape.error().code, who->text() + ": " + shape.error().text}));
    }
    auto bytes = message_bytes(shape->body, body);
    if (!bytes) {
        return std::unexpected(usage(bytes.error().text, "its type is " + shape->type));
    }
    if (const auto sent = with.client().processes().send_raw(*who, shape->type, std::move(*bytes));
        !sent) {
        return std::unexpected(talk_failure(with, sent.error()));
    }
    // What is asked behind the message is answered behind it: then it is in the mailbox.
    const auto there = ask_shapes(with, at, *who);
    if (!there) {
        return std::unexpected(talk_failure(with, there.error()));
    }
    if (with.client().processes().lost() > 0) {
        return std::unexpected(
            talk_failure(with, {errc::overloaded, "the mailbox of " + who->text() + " is full"}));
    }
    return *who;
}

}  // namespace

exit_code run_send(const given& words, context& at) {
    const auto body = json_argument("the message", words.arguments[2]);
    if (!body) {
        return complain(at, body.error());
    }
    talk with{at};
    const auto who = send(with, at, words, *body);
    if (!who) {
        return complain(at, who.error());
    }
    at.out << who->text() << '\n';
    return exit_code::done;
}

}  // namespace muster::cli
