#include "cluster/records.hpp"

#include "base/check.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace muster::cluster {

std::string entry_key(const std::string& partition, std::uint16_t slot) {
    std::string key = base::percent_encode(partition);
    if (slot != 0) {
        key += '#';
        key += std::to_string(slot);
    }
    return key;
}

plan_number fence_of(const plan& whole, const entry& one) {
    const auto since = whole.since.find(one.owner);
    return since == whole.since.end() ? one.fence : std::max(one.fence, since->second);
}

fence_token token_of(std::int32_t incarnation, plan_number number) {
    MUSTER_ASSERT(incarnation >= 0 && incarnation <= most_incarnations, "checked when read");
    MUSTER_ASSERT(number >= 0 && number <= most_plan_number, "checked when read");
    return fence_token{(std::int64_t{incarnation} << 56) + number};
}

plan_number next_plan_number(plan_number before, std::int64_t read_zxid) {
    return std::max(before + 1, read_zxid);
}

}  // namespace muster::cluster
