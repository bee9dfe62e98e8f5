#include "base/text.hpp"
#include "demo_show.hpp"
#include "verbs.hpp"

#include <boost/json.hpp>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t most_members = 16;

/// SIGINT and SIGTERM, held back for as long as this lives and asked for with `came`.
class held_signals {
public:
    held_signals() {
        sigemptyset(&stops_);
        sigaddset(&stops_, SIGINT);
        sigaddset(&stops_, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &stops_, &before_);
    }
    ~held_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    held_signals(const held_signals&) = delete;
    held_signals& operator=(const held_signals&) = delete;

    [[nodiscard]] bool came() {
        const timespec now{0, 0};
        came_ = came_ || ::sigtimedwait(&stops_, nullptr, &now) > 0;
        return came_;
    }
    void wait() {
        int which = 0;
        while (!came_) {
            came_ = ::sigwait(&stops_, &which) == 0;
        }
    }

private:
    sigset_t stops_{};
    sigset_t before_{};
    bool came_ = false;
};

/// A folder that is gone when this is.
class temporary_folder {
public:
    temporary_folder() {
        std::string pattern = (fs::temp_directory_path() / "muster-demo-XXXXXX").string();
        if (::mkdtemp(pattern.data()) != nullptr) {
            path_ = pattern;
        }
    }
    ~temporary_folder() {
        std::error_code ignored;
        if (!path_.empty()) {
            fs::remove_all(path_, ignored);
        }
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

std::string verdict_of(const demo_result& got) {
    if (got.lost == 0 && got.answered == got.records && got.records > 0) {
        return "all " + std::to_string(got.records) + " records answered, 0 lost" +
               (got.failed_calls == 0 ? ""
                                      : "; " + std::to_string(got.failed_calls) + " calls failed");
    }
    return std::to_string(got.answered) + " of " + std::to_string(got.records) +
           " records answered, " + std::to_string(got.lost) + " lost; " +
           std::to_string(got.failed_calls) + " calls failed";
}

void print_json(context& at,
                const demo_result& got,
                const std::string& verdict,
                std::chrono::milliseconds elapsed) {
    const boost::json::object line{{"schema", "muster.demo/1"},
                                   {"verdict", verdict},
                                   {"records", got.records},
                                   {"answered", got.answered},
                                   {"lost", got.lost},
                                   {"failed_calls", got.failed_calls},
                                   {"takeover_ms", std::llround(got.takeover_ms)},
                                   {"unowned_ms_max", std::llround(got.unowned_ms_max)},
                                   {"elapsed_ms", elapsed.count()}};
    at.out << boost::json::serialize(line) << std::endl;
}

void hold(const demo_show& show, demo_screen& screen, held_signals& signals) {
    const auto at = show.addresses();
    const std::string& last = at.back();
    screen.plain("\nIt goes on running. Try, at any member:\n");
    screen.plain("  curl http://" + at.front() + "/parties/" + show.some_key());
    screen.plain("  curl 'http://" + last + "/parties?prefix=python3-num&limit=3'");
    screen.plain("  curl 'http://" + at.front() + "/parties/latest?limit=3'");
    screen.plain("  curl -X PUT -d 'Ann, table 7' http://" + at.front() + "/parties/ann");
    screen.plain("  curl http://" + last + "/parties/ann");
    screen.plain("  curl http://" + last + "/members");
    screen.plain("  " + show.program() + " status --cluster demo --zookeeper " + show.keeper());
    screen.plain("  " + show.program() + " route parties ann --cluster demo --zookeeper " +
                 show.keeper());
    screen.plain("\nCtrl-C ends it.");
    signals.wait();
}

std::expected<demo_order, failure> order_of(const given& words) {
    demo_order order;
    if (const auto text = words.text("--members")) {
        const auto number = base::parse_uint64(*text);
        if (!number || *number < 3 || *number > most_members) {
            return std::unexpected(bad_value("--members", *text, "a number from 3 to 16"));
        }
        order.members = *number;
    }
    std::error_code trouble;
    const fs::path self = fs::read_symlink("/proc/self/exe", trouble);
    order.muster = self.string();
    order.party_grid = (self.parent_path() / "party_grid").string();
    if (trouble || !fs::exists(order.party_grid, trouble)) {
        return std::unexpected(
            failure{.code = "MUS0611",
                    .message = "the demo's program is not there",
                    .facts = {{"tried", order.party_grid}},
                    .hint = "build it beside this program: ./dev build, or ./dev demo"});
    }
    return order;
}

}  // namespace

exit_code run_demo(const given& words, context& at) {
    auto order = order_of(words);
    if (!order) {
        return complain(at, order.error());
    }
    const bool headless = words.has("--headless");
    held_signals signals;
    const temporary_folder folder;
    if (folder.path().empty()) {
        return complain(at,
                        {.code = "MUS0611",
                         .message = "no folder for the demo's records",
                         .facts = {{"tried", fs::temp_directory_path().string()}},
                         .hint = "name one that can be written to with TMPDIR"});
    }
    order->folder = folder.path();
    demo_screen screen{
        headless ? at.err : at.out, headless ? at.err_colours : at.colours, !headless && at.screen};
    screen.title(
        "muster demo: members of one application are killed while it works, and nothing "
        "is lost");
    demo_show show{std::move(*order), screen, [&signals] { return signals.came(); }};
    const auto got = show.run();
    const auto elapsed = screen.elapsed();
    if (!got && got.error().code == errc::closed) {
        screen.plain("\ninterrupted: everything has been stopped");
        return exit_code::interrupted;
    }
    if (!got) {
        if (headless) {
            print_json(at, {}, "failed: " + got.error().text, elapsed);
        }
        const std::string said = show.complaints();
        return complain(at,
                        {.code = "MUS0105",
                         .message = "the demo did not come to its end: " + got.error().text,
                         .facts = {{"said", said.empty() ? "nothing" : said}},
                         .hint = "run it again on a machine with less to do; if it fails "
                                 "again, that is a bug worth reporting"});
    }
    const std::string verdict = verdict_of(*got);
    screen.verdict(verdict, got->good());
    if (headless) {
        print_json(at, *got, verdict, elapsed);
    }
    if (words.has("--hold")) {
        hold(show, screen, signals);
    }
    return got->good() ? exit_code::done : exit_code::no;
}

}  // namespace muster::cli
