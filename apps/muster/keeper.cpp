#include "keeper.hpp"

#include "runtime/real_signals.hpp"
#include "verbs.hpp"
#include "zookeeper/keeper.hpp"

namespace muster::cli {
namespace {

constexpr std::uint16_t usual_port = 2181;

outcome<zookeeper::keeper_options> options_of(const given& words) {
    zookeeper::keeper_options options;
    if (const auto text = words.text("--listen")) {
        // Port 0, which picks one, is nothing that could be connected to.
        const bool picks = text->ends_with(":0");
        auto where = runtime::parse_host_port(
            picks ? std::string_view{*text}.substr(0, text->size() - 2) : *text, usual_port);
        if (!where) {
            return std::unexpected(bad_value("--listen", *text, "such as 127.0.0.1:2181"));
        }
        options.listen = {where->host == "localhost" ? "127.0.0.1" : where->host,
                          picks ? std::uint16_t{0} : where->port};
    }
    if (const auto text = words.text("--tick-time")) {
        const auto tick = parse_duration(*text);
        if (!tick || tick->count() == 0) {
            return std::unexpected(bad_value("--tick-time", *text, "a duration such as 2000ms"));
        }
        options.tick_time = *tick;
    }
    return options;
}

}  // namespace

exit_code serve_keeper(const given& words,
                       context& at,
                       const std::function<void(const runtime::endpoint&)>& ready) {
    const auto options = options_of(words);
    if (!options) {
        return complain(at, options.error());
    }
    runtime::signal_watch signals;
    const auto loop = at.ground->make_loop("keeper");
    std::unique_ptr<zookeeper::keeper> server;
    std::optional<error> trouble;
    runtime::endpoint where;
    const auto run_there = [&](const std::function<void()>& job) {
        const std::shared_ptr<runtime::gate> gate = at.ground->make_gate();
        loop->post([&job, gate] {
            job();
            gate->open();
        });
        static_cast<void>(gate->wait(never));
    };
    run_there([&] {
        auto made = zookeeper::keeper::start(loop, *options);
        if (made) {
            server = std::move(*made);
            where = server->local();
        } else {
            trouble = made.error();
        }
    });
    if (trouble) {
        loop->stop();
        const bool usage = trouble->code == errc::invalid_argument;
        return complain(
            at,
            {.code = usage ? "MUS0605" : "MUS0206",
             .message = "cannot listen at " + options->listen.text() + ": " + trouble->text,
             .facts = {},
             .hint = "--listen 127.0.0.1:0 picks a free port"});
    }
    ready(where);
    static_cast<void>(signals.wait());
    run_there([&] { server.reset(); });
    loop->stop();
    return exit_code::done;
}

exit_code run_keeper(const given& words, context& at) {
    return serve_keeper(words, at, [&at](const runtime::endpoint& where) {
        at.out << "ready " << where.text() << std::endl;
    });
}

}  // namespace muster::cli
