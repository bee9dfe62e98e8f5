#include "base/check.hpp"
#include "base/text.hpp"
#include "muster/error.hpp"
#include "muster/ids.hpp"

#include <cstdio>
#include <cstdlib>

namespace muster {

std::string_view name_of(errc code) noexcept {
    switch (code) {
        case errc::unavailable: return "unavailable";
        case errc::stranded: return "stranded";
        case errc::moving: return "moving";
        case errc::overloaded: return "overloaded";
        case errc::timed_out: return "timed_out";
        case errc::outcome_unknown: return "outcome_unknown";
        case errc::gone: return "gone";
        case errc::fenced: return "fenced";
        case errc::invalid_argument: return "invalid_argument";
        case errc::not_found: return "not_found";
        case errc::conflict: return "conflict";
        case errc::not_authorized: return "not_authorized";
        case errc::incompatible: return "incompatible";
        case errc::handler_failed: return "handler_failed";
        case errc::closed: return "closed";
    }
    return "unknown";
}

std::string member_id::text() const { return base::hex16(high_) + base::hex16(low_); }

std::string member_id::brief() const { return base::hex16(high_).substr(0, 8); }

std::optional<member_id> member_id::parse(std::string_view text) {
    if (text.size() != 32 || text.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
        return std::nullopt;
    }
    return member_id{*base::parse_hex(text.substr(0, 16)), *base::parse_hex(text.substr(16))};
}

namespace base {

void check_failed(const char* file, int line, const char* text) noexcept {
    std::fprintf(stderr, "%s:%d: bug in muster: %s\n", file, line, text);
    std::abort();
}

}  // namespace base
}  // namespace muster
