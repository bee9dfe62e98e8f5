#pragma once

/// @file
/// Which strand's code runs on this thread, and until when what it answers is waited for.

#include "muster/pending.hpp"

#include "base/instant.hpp"

#include <memory>
#include <utility>

namespace muster::detail {

/// Marks this thread as running code of `home`, or of none, for as long as it lives.
/// Lifetime: `home` outlives it.
class strand_scope {
public:
    strand_scope(const std::shared_ptr<strand>& home, instant deadline);
    strand_scope(std::shared_ptr<strand>&& home, instant deadline) = delete;  // It must stay.
    strand_scope(const strand_scope&) = delete;
    strand_scope& operator=(const strand_scope&) = delete;
    ~strand_scope();

    [[nodiscard]] const std::shared_ptr<strand>& home() const noexcept { return home_; }
    /// The deadline of the call being answered on this thread; `never` where there is none. An ask
    /// made while answering another never outlives it.
    [[nodiscard]] static instant current_deadline() noexcept;

private:
    const std::shared_ptr<strand>& home_;  // To count it once more costs what a message costs.
    instant deadline_;
    strand_scope* outer_;
};

}  // namespace muster::detail
