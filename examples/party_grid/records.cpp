#include "records.hpp"

namespace party_grid {
namespace {

constexpr std::string_view stamp_shape = "dddd-dd-ddTdd:dd:dd";
constexpr std::size_t day_length = 10;
constexpr std::size_t hour_length = 13;
constexpr std::size_t minute_length = 16;

bool has_shape(std::string_view text, std::size_t length) {
    if (text.size() < length) {
        return false;
    }
    for (std::size_t i = 0; i < length; ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (stamp_shape[i] == 'd' ? !digit : text[i] != stamp_shape[i]) {
            return false;
        }
    }
    return true;
}

}  // namespace

std::string_view date_partition(std::string_view stamp, date_step step) {
    switch (step) {
        case date_step::day:
            return stamp.substr(0, day_length);
        case date_step::hour:
            return stamp.substr(0, hour_length);
        case date_step::minute:
            break;
    }
    return stamp.substr(0, minute_length);
}

bool is_dated(std::string_view text) {
    if (!has_shape(text, day_length)) {
        return false;
    }
    return text.size() == day_length ||
           has_shape(text, text.size() < minute_length ? hour_length : minute_length);
}

bool is_date_partition(std::string_view name) {
    return (name.size() == day_length || name.size() == hour_length ||
            name.size() == minute_length) &&
           has_shape(name, name.size());
}

}  // namespace party_grid
