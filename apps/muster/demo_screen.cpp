#include "demo_screen.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace muster::cli {
namespace {

constexpr std::string_view bold = "\033[1m";
constexpr std::string_view dim = "\033[2m";
constexpr std::string_view green = "\033[1;32m";
constexpr std::string_view red = "\033[1;31m";
constexpr std::string_view cyan = "\033[36m";
constexpr std::size_t label_width = 9;

std::string padded(std::string_view text) {
    std::string out{text};
    out.resize(std::max(label_width, out.size()), ' ');
    return out;
}

}  // namespace

std::string demo_screen::painted(std::string_view colour, std::string_view text) const {
    return colours_ ? std::string{colour} + std::string{text} + "\033[0m" : std::string{text};
}

std::chrono::milliseconds demo_screen::elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin_);
}

std::string demo_screen::time() const {
    std::array<char, 32> text{};
    std::snprintf(
        text.data(), text.size(), "%6.1f s  ", static_cast<double>(elapsed().count()) / 1000);
    return painted(dim, text.data());
}

void demo_screen::wipe() {
    if (drawn_) {
        out_ << "\r\033[K";
        drawn_ = false;
    }
}

void demo_screen::title(std::string_view text) {
    out_ << painted(bold, text) << "\n\n" << std::flush;
}

void demo_screen::step(std::string_view what, std::string_view text, mood how) {
    wipe();
    const std::string_view colour = how == mood::good ? green : how == mood::bad ? red : cyan;
    out_ << time() << painted(colour, padded(what)) << ' ' << text << '\n' << std::flush;
}

void demo_screen::more(std::string_view text) {
    wipe();
    out_ << std::string(10 + label_width + 1, ' ') << painted(dim, text) << '\n' << std::flush;
}

void demo_screen::progress(std::string_view what, std::string_view text) {
    if (live_) {
        wipe();
        out_ << time() << painted(dim, padded(what)) << ' ' << text << std::flush;
        drawn_ = true;
    }
}

void demo_screen::gap() {
    wipe();
    out_ << '\n' << std::flush;
}

void demo_screen::verdict(std::string_view text, bool good) {
    wipe();
    out_ << '\n' << painted(good ? green : red, text) << '\n' << std::flush;
}

void demo_screen::plain(std::string_view text) {
    wipe();
    out_ << text << '\n' << std::flush;
}

}  // namespace muster::cli
