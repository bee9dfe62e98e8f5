#pragma once

/// @file
/// Which strand's code runs on this thread, and until when what it answers is waited for.

#include "base/instant.hpp"
#include "muster/pending.hpp"

#include <memory>
#include <utility>

namespace muster::detail {

/// Marks this thread as running code of `home` for as long as it lives.
class strand_scope {
public:
    strand_scope(std::shared_ptr<strand> home, instant deadline);
    strand_scope(const strand_scope&) = delete;
    strand_scope& operator=(const strand_scope&) = delete;
    ~strand_scope();

    [[nodiscard]] const std::shared_ptr<strand>& home() const noexcept { return home_; }
    /// The deadline of the call being answered on this thread; `never` where there is none. An ask
    /// made while answering another never outlives it.
    [[nodiscard]] static instant current_deadline() noexcept;

private:
    std::shared_ptr<strand> home_;
    instant deadline_;
    strand_scope* outer_;
};

}  // namespace muster::detail
