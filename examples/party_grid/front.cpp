#include "front.hpp"

#include "base/text.hpp"
#include "base/utf8.hpp"
#include "front_answers.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;

constexpr std::uint32_t default_limit = 1000;
constexpr std::uint32_t largest_limit = 100'000;

/// Both resources of a scatter, put together when the second has answered.
struct listing {
    std::function<void(listing&)> done;
    http_reply reply;
    std::atomic<int> left;
    muster::result<muster::gathered<page>> parties{};
    muster::result<muster::gathered<page>> dates{};

    void finish() {
        if (left.fetch_sub(1) == 1) {
            done(*this);
        }
    }
};

std::uint32_t limit_of(const http_request& request) {
    const auto asked = request.asked("limit");
    const auto number = asked ? muster::base::parse_uint64(*asked) : std::nullopt;
    return number ? static_cast<std::uint32_t>(std::min<std::uint64_t>(*number, largest_limit))
                  : default_limit;
}

/// Dated keys begin with a digit, so other prefixes need not ask the dates.
bool may_be_dated(std::string_view prefix) {
    return prefix.empty() || (prefix.front() >= '0' && prefix.front() <= '9');
}

}  // namespace

/// Counts a request for as long as nobody has answered it.
class front::counted {
public:
    explicit counted(std::shared_ptr<std::atomic<std::size_t>> number)
        : number_{std::move(number)} {
        number_->fetch_add(1);
    }
    counted(counted&& other) noexcept : number_{std::move(other.number_)} { other.number_.reset(); }
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (number_) {
            number_->fetch_sub(1);
        }
    }

private:
    std::shared_ptr<std::atomic<std::size_t>> number_;
};

void front::open(grid on) {
    dates_ = std::make_shared<date_finder>(on.parties, on.dates);
    grid_ = std::make_shared<grid>(std::move(on));
    opened_.store(true);
}

void front::wait_idle(std::chrono::milliseconds patience) const {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (running_->load() > 0 && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
}

void front::handle(http_request request, http_reply reply) {
    requests_.fetch_add(1, std::memory_order_relaxed);
    http_reply counting{[reply = std::move(reply), one = counted{running_}](
                            http_response answer) mutable { reply(std::move(answer)); }};
    const auto& path = request.path;
    const std::string first = path.empty() ? "" : path.front();
    if (path.size() == 1 && first == "livez") {
        counting({.status = 200, .body = "ok\n", .content_type = "text/plain", .headers = {}});
    } else if (!opened_.load()) {
        counting(error_response({errc::unavailable, "this member is still starting"}));
    } else if (first == "parties" && path.size() <= 2) {
        one_record(request, std::move(counting));
    } else if (path.size() == 1 && first == "stats" && request.method == "GET") {
        stats(std::move(counting));
    } else if (path.size() == 1 && first == "members" && request.method == "GET") {
        members(std::move(counting));
    } else if (path.size() == 1 && first == "readyz") {
        const bool ready =
            !draining_.load() && grid_->node->state() == muster::member_state::online;
        counting({.status = ready ? 200U : 503U,
                  .body = ready ? "ok\n" : "not ready\n",
                  .content_type = "text/plain",
                  .headers = {}});
    } else {
        counting(error_response(
            {errc::not_found,
             "there is nothing at " + request.target + "; try GET /parties?prefix=a"}));
    }
}

void front::one_record(const http_request& request, http_reply reply) {
    const bool collection = request.path.size() == 1 || request.path[1].empty();
    const std::string& method = request.method;
    if (collection && method == "GET") {
        list(request, std::move(reply));
        return;
    }
    if (collection && method == "POST") {
        many(request, batch_kind::write, std::move(reply));
        return;
    }
    const std::string key = collection ? "" : request.path[1];
    if (method == "POST" && key == "read") {
        many(request, batch_kind::read, std::move(reply));
    } else if (method == "GET" && key == "latest") {
        latest(request, std::move(reply));
    } else if (!is_key(key) || !muster::base::is_utf8(key)) {
        reply(error_response({errc::invalid_argument, "a key is 1 to 1024 bytes of UTF-8"}));
    } else if (method == "GET") {
        read_one(key, std::move(reply));
    } else if (method == "DELETE") {
        change_one(key, {{key, std::nullopt}}, std::move(reply));
    } else if (method != "PUT") {
        reply({.status = 405,
               .body = "PUT, GET or DELETE one record\n",
               .content_type = "text/plain",
               .headers = {{"Allow", "PUT, GET, DELETE"}}});
    } else if (!muster::base::is_utf8(request.body)) {
        reply(error_response({errc::invalid_argument, "a value is UTF-8 text"}));
    } else if (key == "latest") {
        reply(error_response({errc::invalid_argument,
                              "the key 'latest' is taken: GET "
                              "/parties/latest asks the newest date"}));
    } else {
        change_one(key, {{key, request.body}}, std::move(reply));
    }
}

answer_by front::from_now() const {
    return std::chrono::steady_clock::now() + grid_->deadline;
}

void front::read_one(const std::string& key, http_reply reply) {
    ending<std::optional<std::string>> tell =
        [reply = std::move(reply), key](muster::result<std::optional<std::string>> got) mutable {
            if (!got) {
                reply(error_response(got.error()));
            } else if (!*got) {
                reply(error_response({errc::not_found, "there is no record '" + key + "'"}));
            } else {
                reply(value_response(std::move(**got)));
            }
        };
    if (!is_dated(key)) {
        grid_->parties.ask<get_record>(key, key).then(std::move(tell));
        return;
    }
    const auto until = from_now();
    dates_->find({{.what = {.key = key, .adds = false}}},
                 until,
                 [at = dates_, key, until, tell = std::move(tell)](
                     muster::result<std::vector<std::string>> where) mutable {
                     if (!where) {
                         tell(std::unexpected(where.error()));
                     } else if (where->front().empty()) {
                         tell(std::nullopt);
                     } else {
                         at->ask<get_record>(where->front(), false, until, std::move(tell), key);
                     }
                 });
}

void front::change_one(const std::string& key, std::vector<change> changes, http_reply reply) {
    ending<void> tell = [reply = std::move(reply)](const muster::result<void>& how) mutable {
        reply(how ? http_response{.status = 204, .body = {}, .content_type = {}, .headers = {}}
                  : error_response(how.error()));
    };
    if (!is_dated(key)) {
        grid_->parties.ask<change_records>(key, changes).then(std::move(tell));
        return;
    }
    const auto until = from_now();
    // Removing makes no partition: where there is none, there is nothing to remove.
    const bool adds = changes.front().value.has_value();
    dates_->find({{.what = {.key = key, .adds = adds}}},
                 until,
                 [at = dates_, until, adds, changes = std::move(changes), tell = std::move(tell)](
                     muster::result<std::vector<std::string>> where) mutable {
                     if (!where) {
                         tell(std::unexpected(where.error()));
                     } else if (where->front().empty()) {
                         tell({});
                     } else {
                         at->ask<change_records>(
                             where->front(), adds, until, std::move(tell), changes);
                     }
                 });
}

void front::list(const http_request& request, http_reply reply) {
    const std::string prefix = request.asked("prefix").value_or("");
    const std::uint32_t limit = limit_of(request);
    const bool both = may_be_dated(prefix);
    const auto done = [limit, at = dates_, until = from_now()](listing& all) {
        if (all.parties && all.dates) {
            at->add_again(unseen_dates(*all.parties, *all.dates), until);
        }
        all.reply(list_response(all.parties, std::move(all.dates), limit));
    };
    auto all = std::make_shared<listing>(done, std::move(reply), both ? 2 : 1);
    const std::string anywhere;
    grid_->parties.scatter<list_records>(anywhere, prefix, limit)
        .then([all](muster::result<muster::gathered<page>> got) {
            all->parties = std::move(got);
            all->finish();
        });
    if (both) {
        grid_->dates.scatter<list_records>(anywhere, prefix, limit)
            .then([all](muster::result<muster::gathered<page>> got) {
                all->dates = std::move(got);
                all->finish();
            });
    }
}

void front::latest(const http_request& request, http_reply reply) {
    const auto until = from_now();
    const auto show = [at = dates_, until, limit = limit_of(request)](const std::string& newest,
                                                                      http_reply to) {
        ending<page> tell = [to = std::move(to), newest](muster::result<page> got) mutable {
            to(got ? latest_response(newest, *got) : error_response(got.error()));
        };
        const std::string any;
        at->ask<list_records>(newest, false, until, std::move(tell), any, limit);
    };
    if (const auto newest = grid_->dates.latest()) {
        show(*newest, std::move(reply));
        return;
    }
    // No plan has been read yet, or the ensemble was a new one: the catalogue knows.
    const std::string any;
    const std::uint32_t none = 0;
    grid_->parties.scatter<list_records>(any, any, none)
        .then([show, reply = std::move(reply)](muster::result<muster::gathered<page>> got) mutable {
            const auto newest = got ? newest_date(*got) : std::unexpected(got.error());
            if (newest) {
                show(*newest, std::move(reply));
            } else {
                reply(error_response(newest.error()));
            }
        });
}

void front::stats(http_reply reply) const {
    reply(stats_response(*grid_->node,
                         grid_->owned->all(),
                         grid_->records->figures(),
                         requests_.load(std::memory_order_relaxed)));
}

void front::members(http_reply reply) const {
    reply(members_response(grid_->node->view()));
}

}  // namespace party_grid
