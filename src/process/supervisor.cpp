#include "muster/supervisor.hpp"

#include "process/restart_budget.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster {
namespace {

std::string said(const exit_reason& why) {
    static constexpr std::string_view words[]{"it returned",
                                              "it crashed",
                                              "it was killed",
                                              "it was not there",
                                              "its node was lost",
                                              "it could not be reached"};
    const auto at = static_cast<std::size_t>(why.how);
    const std::string word{why.how == ending::exited && !why.text.empty() ? "it was told to end"
                                                                          : words[at]};
    return why.text.empty() ? word : word + ": " + why.text;
}

/// Who lives, by place in the supervision.
class family {
public:
    family(self me, const supervision& how) : me_{me}, how_{how}, pids_(how.children().size()) {}

    void start(std::size_t which) { pids_[which] = how_.children()[which].start(me_); }
    void start_missing() {
        for (std::size_t i = 0; i < pids_.size(); ++i) {
            if (pids_[i].empty() && !returned_.contains(i)) {
                start(i);
            }
        }
    }
    /// Which child that was; none of them: nothing.
    std::optional<std::size_t> ended(const exit_signal& one) {
        const auto found = std::ranges::find(pids_, one.who);
        if (found == pids_.end() || one.who.empty()) {
            return std::nullopt;
        }
        *found = {};
        return static_cast<std::size_t>(found - pids_.begin());
    }
    [[nodiscard]] bool is_kept(std::size_t which, const exit_reason& why) const {
        return how_.children()[which].when == keeping::always || !why.normal();
    }
    void let_go(std::size_t which) { returned_.insert(which); }
    [[nodiscard]] const std::string& name(std::size_t which) const {
        return how_.children()[which].name;
    }
    /// The youngest that lives; nobody where none does.
    [[nodiscard]] pid youngest() const {
        const auto found =
            std::find_if(pids_.rbegin(), pids_.rend(), [](const pid& one) { return !one.empty(); });
        return found == pids_.rend() ? pid{} : *found;
    }

private:
    const self me_;
    const supervision& how_;
    std::vector<pid> pids_;
    std::set<std::size_t> returned_;
};

}  // namespace

process supervise(self me, supervision how) {
    me.trap_exits(true);
    family all{me, how};
    process_detail::restart_budget budget{how.at_most, how.within};
    std::optional<exit_reason> last;  // Why this process ends, once it does.
    std::string gave_up;
    all.start_missing();
    while (!last && !all.youngest().empty()) {
        auto in = co_await me.receive<exit_signal>();
        if (!in) {
            break;  // The node stops, and each child hears it as well.
        }
        const exit_reason why = in->body.why;
        const auto which = all.ended(in->body);
        if (!which) {
            if (!why.normal()) {
                last = why;
            }
            continue;
        }
        if (!all.is_kept(*which, why)) {
            all.let_go(*which);
            continue;
        }
        if (!budget.spend(me.now())) {
            gave_up = "gave up: '" + all.name(*which) + "' ended, and " +
                      std::to_string(how.at_most) + " restarts within " +
                      process_detail::text_of(how.within) + " were used up; " + said(why);
            last = exit_reason{ending::crashed, gave_up};
        } else if (how.restart == restarts::one) {
            all.start(*which);
            continue;
        }
        // The others end, the youngest first; what else ends meanwhile has ended, too.
        while (!all.youngest().empty()) {
            const pid next = all.youngest();
            me.exit(next, "its supervisor ends it");
            bool is_late = false;
            while (all.youngest() == next) {
                auto gone = co_await me.receive<exit_signal>(how.patience);
                if (gone) {
                    const exit_reason& so = gone->body.why;
                    const auto other = all.ended(gone->body);
                    if (other && !all.is_kept(*other, so)) {
                        all.let_go(*other);
                    } else if (!other && !so.normal()) {
                        last = so;
                    }
                } else if (gone.error().code == errc::timed_out && !is_late) {
                    is_late = true;
                    me.kill(next);
                } else if (gone.error().code != errc::timed_out) {
                    co_return;
                }
            }
        }
        if (!last) {
            all.start_missing();
        }
    }
    if (!gave_up.empty()) {
        throw std::runtime_error{gave_up};
    }
    if (last) {
        // Its own end by that reason; its children are linked to it.
        me.trap_exits(false);
        me.exit(me.pid(), last->text.empty() ? said(*last) : last->text);
        co_await me.receive<exit_signal>();
    }
}

}  // namespace muster
