#pragma once

/// @file
/// The journal of an agent: what an outside checker needs to prove that no two owners acted at
/// once. The format is a contract (docs/format/journal.md).

#include "muster/error.hpp"

#include "base/callback.hpp"
#include "base/instant.hpp"
#include "cluster/right.hpp"
#include "errors.hpp"
#include "runtime/loop.hpp"

#include <boost/json.hpp>

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace muster::cli {

/// Who writes.
struct journal_author {
    std::string member;
    member_id id;
};

/// One line without its line break: t, event, member, id, then `more` in its order.
[[nodiscard]] std::string journal_line(instant t,
                                       std::string_view event,
                                       const journal_author& who,
                                       const boost::json::object& more = {});

/// The fields of a right: resource, partition, fence, and of a copy its slot. `as_number`: the
/// partition is one of a hash resource.
[[nodiscard]] boost::json::object journal_fields(const cluster::right::identity& what,
                                                 bool as_number);

/// Appends lines, each in one write, in the order asked for, on a thread of its own.
///
/// Threads: any; what is handed in is called on the journal's thread.
/// Lifetime: the destructor writes what was asked for first.
class journal {
public:
    /// Makes a line, given the time now; nothing: no line is written.
    using maker = std::function<std::optional<std::string>(instant now)>;

    /// To the end of `file`; "-" is stdout, "" writes nothing and answers all the same.
    /// Errors: MUS0611.
    [[nodiscard]] static std::expected<std::unique_ptr<journal>, failure> open(
        const std::string& file, std::shared_ptr<runtime::platform> ground);
    ~journal();
    journal(const journal&) = delete;
    journal& operator=(const journal&) = delete;

    /// `make` is called right before the write, `written` right after it.
    void append(maker make, callback<result<void>> written = {});

private:
    class state;
    explicit journal(std::unique_ptr<state> inner);
    std::unique_ptr<state> state_;
};

}  // namespace muster::cli
