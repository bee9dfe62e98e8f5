#pragma once

/// @file
/// How the demo tells what happens: one line a step, with the time since the start.

#include <chrono>
#include <ostream>
#include <string>
#include <string_view>

namespace muster::cli {

/// Threads: one at a time.
class demo_screen {
public:
    /// `live`: a terminal, where a line may be drawn again.
    demo_screen(std::ostream& out, bool colours, bool live)
        : out_{out}, colours_{colours}, live_{live} {}

    enum class mood { plain, good, bad };

    void title(std::string_view text);
    /// `   2.5 s  import    63,666 packages …`
    void step(std::string_view what, std::string_view text, mood how = mood::plain);
    /// A further line of the last step.
    void more(std::string_view text);
    /// What goes on now, drawn over itself until the next step; on a terminal only.
    void progress(std::string_view what, std::string_view text);
    void gap();
    void verdict(std::string_view text, bool good);
    void plain(std::string_view text);

    [[nodiscard]] std::chrono::milliseconds elapsed() const;

private:
    [[nodiscard]] std::string time() const;
    [[nodiscard]] std::string painted(std::string_view colour, std::string_view text) const;
    void wipe();

    std::ostream& out_;
    bool colours_;
    bool live_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace muster::cli
