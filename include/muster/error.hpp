#pragma once

/// @file
/// Errors, sorted by what the caller should do next.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

/// What went wrong. The groups matter more than the members: a caller that switches on nothing
/// but `next_step` is still correct.
enum class errc : std::uint8_t {
    // wait: nothing was done; later may work.
    unavailable,  ///< ZooKeeper, or the member asked, could not be reached.
    stranded,     ///< The node's lease has ended: it may not act until it is back.
    moving,       ///< The partition, or global process, is between owners.
    overloaded,   ///< A bounded queue was full.
    timed_out,    ///< The deadline passed before anything was done.

    // look_first: it may have been done.
    outcome_unknown,  ///< The connection broke after the request had left.

    // start_over: that process, or that life of the member, has ended.
    gone,

    // give_way: somebody newer holds the right.
    fenced,

    // fix_call: repeating cannot help.
    invalid_argument,
    not_found,
    conflict,        ///< Something exists already, or another version of it does.
    not_authorized,  ///< The credentials were refused.
    incompatible,    ///< The other side speaks another format or version.
    handler_failed,  ///< The handler at the other end threw, or returned an error of its own.

    // stop: this node is leaving.
    closed,
};

/// What a caller does about an error.
enum class next_step : std::uint8_t { wait, look_first, start_over, give_way, fix_call, stop };

/// The group of `code`.
[[nodiscard]] constexpr next_step next_of(errc code) noexcept {
    switch (code) {
        case errc::unavailable:
        case errc::stranded:
        case errc::moving:
        case errc::overloaded:
        case errc::timed_out:
            return next_step::wait;
        case errc::outcome_unknown:
            return next_step::look_first;
        case errc::gone:
            return next_step::start_over;
        case errc::fenced:
            return next_step::give_way;
        case errc::closed:
            return next_step::stop;
        default:
            return next_step::fix_call;
    }
}

/// The name of `code` as written above, for logs and for the wire.
[[nodiscard]] std::string_view name_of(errc code) noexcept;

/// An `errc` with a sentence that says what was tried, on what, and what to do next.
///
/// Compare `code`, or `next()`; never parse `text`.
/// Threads: a plain value.
struct error {
    errc code = errc::closed;
    std::string text;

    /// What to do about it.
    [[nodiscard]] next_step next() const noexcept { return next_of(code); }

    friend bool operator==(const error&, const error&) = default;
};

/// What a fallible call returns.
template <class T>
using result = std::expected<T, error>;

/// `return fail(errc::not_found, "…")` from a function that returns a `result`.
[[nodiscard]] inline std::unexpected<error> fail(errc code, std::string text) {
    return std::unexpected<error>{error{code, std::move(text)}};
}

}  // namespace muster
