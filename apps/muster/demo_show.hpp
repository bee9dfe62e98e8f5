#pragma once

/// @file
/// The demo itself: what is started, killed and checked, and what came of it.

#include "muster/error.hpp"

#include "demo_child.hpp"
#include "demo_events.hpp"
#include "demo_load.hpp"
#include "demo_screen.hpp"
#include "party_grid/importing.hpp"

#include <cstddef>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster::cli {

/// What the demo has measured, as `muster.demo/1` tells it.
struct demo_result {
    std::size_t records = 0;
    std::size_t answered = 0;
    std::size_t lost = 0;
    std::uint64_t failed_calls = 0;
    double takeover_ms = 0;
    double unowned_ms_max = 0;

    [[nodiscard]] bool good() const {
        return records > 0 && answered == records && lost == 0 && failed_calls == 0;
    }
};

struct demo_order {
    std::size_t members = 3;
    std::string muster;      ///< the path of this program
    std::string party_grid;  ///< the path of the grid's
    std::string folder;      ///< for everything that is written; empty, and removed afterwards
};

/// Threads:  one, which must live on: what it started dies with it.
/// Lifetime: the destructor kills what still runs.
/// Errors:   of `run`: timed_out (a step did not come to its end), unavailable, closed (`give_up`).
class demo_show {
public:
    demo_show(demo_order what, demo_screen& screen, std::function<bool()> give_up);
    ~demo_show();
    demo_show(const demo_show&) = delete;
    demo_show& operator=(const demo_show&) = delete;

    [[nodiscard]] result<demo_result> run();

    /// `host:port` of the members that still run, for the lines to try.
    [[nodiscard]] std::vector<std::string> addresses() const;
    [[nodiscard]] const std::string& keeper() const { return keeper_at_; }
    [[nodiscard]] const std::string& program() const { return order_.muster; }
    /// A record that everybody knows, where it is there.
    [[nodiscard]] std::string some_key() const;
    /// What the members complained of, for a demo that failed.
    [[nodiscard]] std::string complaints() const;

private:
    struct actor {
        std::string name;
        std::string http;
        std::unique_ptr<demo_child> process;  ///< null while it is down
    };

    result<void> start_keeper();
    result<void> start_members();
    result<void> start_member(actor& one);
    result<void> import();
    result<void> kill_and_return(actor& victim, bool leads);
    result<void> take_back(actor& victim);
    result<void> drain(actor& one);
    result<void> check();
    result<void> pause(std::chrono::milliseconds time);
    result<void> wait_for(std::string_view what,
                          std::chrono::milliseconds patience,
                          const std::function<bool()>& enough);
    void tell_takeover(const actor& victim,
                       bool leads,
                       boot_time at,
                       const std::vector<demo_move>& moves);
    void tell_load();
    [[nodiscard]] actor* named(const std::string& name);
    [[nodiscard]] std::vector<std::string> running() const;

    demo_order order_;
    demo_screen& screen_;
    std::function<bool()> give_up_;
    demo_events events_;
    std::string keeper_at_;
    std::unique_ptr<demo_child> keeper_;
    std::vector<actor> actors_;
    std::future<result<party_grid::import_records>> gathering_;
    party_grid::import_records records_;
    std::unique_ptr<demo_load> load_;
    demo_result result_;
    std::size_t lost_ = 0;  ///< records that were not right at some check
};

}  // namespace muster::cli
