// party_grid: a member of the grid, or an import into it.

#include "muster/muster.hpp"

#include "front.hpp"
#include "grid_client.hpp"
#include "http.hpp"
#include "importing.hpp"
#include "journal.hpp"
#include "options.hpp"
#include "shelf.hpp"
#include "store.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using namespace party_grid;
using namespace std::chrono_literals;

int complain(const muster::error& what) {
    std::fprintf(stderr, "party_grid: %s\n", what.text.c_str());
    return what.next() == muster::next_step::fix_call ? 2 : 1;
}

/// Where every thread inherits it, so that `run` alone takes them, whoever started the thread.
void block_signals() {
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops, nullptr);
}

muster::result<std::unique_ptr<http_server>> listen(const member_options& options, front& face) {
    http_options how{
        .address = options.http_host, .port = options.http_port, .body_bytes = 16U << 20U};
    const auto handle = [&face](http_request request, http_reply reply) {
        face.handle(std::move(request), std::move(reply));
    };
    auto made = http_server::start(how, handle);
    if (!made && !options.http_given && made.error().code == muster::errc::unavailable) {
        how.port = 0;
        made = http_server::start(how, handle);
    }
    return made;
}

muster::application program_of(const journal& diary) {
    muster::application app;
    app.version = "0.1.0";
    app.leadership_changed = [&diary](const muster::leadership& now) { diary.leader(now); };
    app.log = [](const muster::log_line& line) {
        if (line.level >= muster::severity::warning) {
            std::fprintf(stderr,
                         "%.*s: %.*s: %.*s\n",
                         static_cast<int>(line.member.size()),
                         line.member.data(),
                         static_cast<int>(line.event.size()),
                         line.event.data(),
                         static_cast<int>(line.text.size()),
                         line.text.data());
        }
    };
    return app;
}

int run_member(member_options options) {
    block_signals();
    if (options.common.name.empty()) {
        options.common.name = "party-" + std::to_string(::getpid());
    }
    auto diary = journal::open(options.journal, options.common.name);
    auto records = diary ? store::open(options.store)
                         : muster::result<std::unique_ptr<store>>{std::unexpected(diary.error())};
    if (!records) {
        return complain(records.error());
    }
    shelf_register owned;
    stand_on({.records = records->get(), .diary = &*diary, .owned = &owned});
    front face;
    auto server = listen(options, face);
    if (!server) {
        return complain(server.error());
    }
    const std::string address = options.http_host + ":" + std::to_string((*server)->port());
    options.common.metadata["http"] = address;

    muster::node node{options.common, program_of(*diary)};
    const auto parties = node.serve<shelf>("parties",
                                           muster::by_hash{.partitions = options.partitions,
                                                           .effects = muster::effects::fenced,
                                                           .on_stuck = muster::on_stuck::fence});
    const auto dates = node.serve<shelf>(
        "dates",
        muster::by_list{.effects = muster::effects::fenced, .on_stuck = muster::on_stuck::fence});
    face.open({.node = &node,
               .parties = parties,
               .dates = dates,
               .owned = &owned,
               .records = records->get(),
               .deadline = options.common.ask_deadline});
    diary->start(address);
    if (options.journal != "-") {
        std::printf(
            "%s answers at http://%s/parties\n", options.common.name.c_str(), address.c_str());
        std::fflush(stdout);
    }
    const int code = node.run();
    face.drain();
    face.wait_idle(5s);
    (*server)->stop();
    if (code == 0) {
        diary->exit();
    }
    return code;
}

int run_import(const import_options& options) {
    using clock = std::chrono::steady_clock;
    std::fprintf(stderr, "reading the package index …\n");
    const auto records =
        gather_records({.packages = options.packages, .log = options.log, .limit = options.limit});
    if (!records) {
        return complain(records.error());
    }
    if (!records->note.empty()) {
        std::fprintf(stderr, "note: %s\n", records->note.c_str());
    }
    std::fprintf(stderr,
                 "%zu packages (%s), %zu dated records in %zu partitions\n",
                 records->packages,
                 records->source.c_str(),
                 records->dated,
                 records->dates.size());
    const bool screen = ::isatty(STDERR_FILENO) != 0;
    const auto begin = clock::now();
    std::size_t told = 0;
    const auto sent = send_all(options.to, records->lines, options.connections, [&](progress now) {
        if (now.done - told >= 10'000 || now.done == now.total) {
            told = now.done;
            std::fprintf(stderr,
                         screen ? "\r%7zu of %zu%s" : "%7zu of %zu%s",
                         now.done,
                         now.total,
                         screen && now.done < now.total ? "" : "\n");
        }
    });
    if (!sent) {
        return complain(sent.error());
    }
    const double seconds = std::chrono::duration<double>(clock::now() - begin).count();
    std::printf("%zu records in %.2f s, %.0f a second\n",
                records->lines.size(),
                seconds,
                static_cast<double>(records->lines.size()) / seconds);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    for (const std::string& word : words) {
        if (word == "--help" || word == "-h" || word == "help") {
            std::fputs(help_text(), stdout);
            return 0;
        }
    }
    if (!words.empty() && words.front() == "import") {
        const auto options = parse_import({words.begin() + 1, words.end()});
        return options ? run_import(*options) : complain(options.error());
    }
    auto options = parse_member(std::move(words));
    return options ? run_member(std::move(*options)) : complain(options.error());
}
