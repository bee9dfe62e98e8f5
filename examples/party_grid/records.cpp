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

std::string home_of(std::string_view key, date_step step) {
    std::string name{date_partition(key, date_step::day)};
    if (step != date_step::day) {
        const bool known = has_shape(key, hour_length);
        name += known ? key.substr(day_length, hour_length - day_length) : "T00";
    }
    if (step == date_step::minute) {
        const bool known = has_shape(key, minute_length);
        name += known ? key.substr(hour_length, minute_length - hour_length) : ":00";
    }
    return name;
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

date_step step_of(std::string_view partition) {
    return partition.size() <= day_length    ? date_step::day
           : partition.size() <= hour_length ? date_step::hour
                                             : date_step::minute;
}

std::string_view name_of(date_step step) {
    switch (step) {
        case date_step::day:
            return "day";
        case date_step::hour:
            return "hour";
        case date_step::minute:
            break;
    }
    return "minute";
}

}  // namespace party_grid
