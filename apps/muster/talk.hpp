#pragma once

/// @file
/// What `ask` and `send` have in common: a client for as long as the verb runs.

#include "command.hpp"
#include "message_json.hpp"
#include "node/client_core.hpp"

#include <memory>
#include <string>

namespace muster::cli {

/// Threads: the verb's.
class talk {
public:
    explicit talk(context& at);
    talk(const talk&) = delete;
    talk& operator=(const talk&) = delete;
    ~talk();

    [[nodiscard]] detail::client_core& client() const { return *core_; }
    /// Of --timeout.
    [[nodiscard]] std::chrono::nanoseconds left() const;
    /// Waits for what `begin` calls its completer with.
    template <class T>
    result<T> wait(std::move_only_function<void(completer<T>)> begin) {
        auto [answer, tell] = make_pending<T>();
        begin(std::move(tell));
        return answer.get();
    }

private:
    std::shared_ptr<runtime::platform> ground_;
    instant deadline_;
    std::shared_ptr<detail::client_core> core_;
};

/// What the cluster said no to, or could not be asked.
[[nodiscard]] failure talk_failure(const talk& with, const error& what);
/// The call is wrong: MUS0605.
[[nodiscard]] failure usage(std::string what, std::string hint);

/// The value of an argument. Errors: MUS0605.
[[nodiscard]] outcome<boost::json::value> json_argument(std::string_view name,
                                                        std::string_view text);

}  // namespace muster::cli
