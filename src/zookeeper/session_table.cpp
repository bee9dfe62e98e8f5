#include "zookeeper/session_table.hpp"

namespace muster::zookeeper {

instant session_table::end_of(instant now, std::chrono::milliseconds timeout) const {
    const duration until = now.time_since_epoch() + timeout;
    return instant{(until / tick_ + 1) * tick_};
}

void session_table::open(std::int64_t id, std::chrono::milliseconds timeout, instant now) {
    const instant expires = end_of(now, timeout);
    sessions_[id] = session{timeout, expires, 0};
    buckets_[expires].insert(id);
}

bool session_table::touch(std::int64_t id, std::chrono::milliseconds timeout, instant now) {
    const auto at = sessions_.find(id);
    if (at == sessions_.end()) {
        return false;
    }
    const instant expires = end_of(now, timeout);
    at->second.timeout = timeout;
    if (expires != at->second.expires) {
        take_out(id, at->second.expires);
        buckets_[expires].insert(id);
        at->second.expires = expires;
    }
    return true;
}

void session_table::close(std::int64_t id) {
    const auto at = sessions_.find(id);
    if (at != sessions_.end()) {
        take_out(id, at->second.expires);
        sessions_.erase(at);
    }
}

void session_table::take_out(std::int64_t id, instant expires) {
    const auto bucket = buckets_.find(expires);
    bucket->second.erase(id);
    if (bucket->second.empty()) {
        buckets_.erase(bucket);
    }
}

session_table::session* session_table::find(std::int64_t id) {
    const auto at = sessions_.find(id);
    return at == sessions_.end() ? nullptr : &at->second;
}

instant session_table::next_expiry() const {
    return buckets_.empty() ? never : buckets_.begin()->first;
}

std::vector<std::int64_t> session_table::expired(instant now) const {
    std::vector<std::int64_t> ended;
    for (const auto& [expires, ids] : buckets_) {
        if (expires > now) {
            break;
        }
        ended.insert(ended.end(), ids.begin(), ids.end());
    }
    return ended;
}

}  // namespace muster::zookeeper
