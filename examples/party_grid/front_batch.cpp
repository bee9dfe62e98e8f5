// POST /parties and POST /parties/read: many records in one request, one ask for each partition.

#include "front.hpp"
#include "front_answers.hpp"

#include <boost/json.hpp>

#include <atomic>
#include <map>
#include <utility>

namespace party_grid {
namespace {

using muster::errc;

/// A partition of one of the two resources, and the lines of a batch that belong to it.
struct portion {
    bool dated = false;
    std::string where;  ///< What `ask` finds the partition by.
    std::vector<std::size_t> lines;
};

/// What a batch came to, put together when its last partition has answered. Each portion writes
/// into places of its own, so that nothing needs a lock.
struct gathering_batch {
    explicit gathering_batch(http_reply to) : reply{std::move(to)} {}

    http_reply reply;
    std::vector<batch_line> lines;
    std::vector<portion> portions;
    std::vector<std::optional<muster::error>> failed;  ///< By portion.
    std::vector<std::optional<std::string>> values;    ///< By line, of a read.
    std::atomic<std::size_t> left{0};
    bool reads = false;

    void finish_one() {
        if (left.fetch_sub(1) == 1) {
            reply(reads ? read_answer() : write_answer());
        }
    }

    [[nodiscard]] http_response write_answer() const {
        std::size_t written = 0;
        for (std::size_t i = 0; i < portions.size(); ++i) {
            written += failed[i] ? 0 : portions[i].lines.size();
        }
        http_response answer = failures();
        answer.body = "{\"done\":" + std::to_string(written) + answer.body;
        return answer;
    }

    [[nodiscard]] http_response read_answer() const {
        http_response answer = failures();
        if (answer.status != 200) {
            answer.body = "{\"done\":0" + answer.body;
            return answer;
        }
        answer.body.clear();
        for (std::size_t i = 0; i < lines.size(); ++i) {
            append_batch_line(answer.body, lines[i].key, values[i], lines[i].partition);
        }
        answer.content_type = "application/x-ndjson";
        return answer;
    }

    /// `,"failed":[{"keys":[…],"code":…,"message":…}]}`, with the status of the worst.
    [[nodiscard]] http_response failures() const {
        namespace json = boost::json;
        json::array list;
        unsigned status = 200;
        for (std::size_t i = 0; i < portions.size(); ++i) {
            if (!failed[i]) {
                continue;
            }
            // What may have been done outranks what was not, which outranks what cannot help.
            const unsigned mine = status_of(failed[i]->code);
            const auto rank = [](unsigned code) {
                return code == 504 ? 3 : code == 503 ? 2 : code == 200 ? 0 : 1;
            };
            status = rank(mine) > rank(status) ? mine : status;
            json::array keys;
            for (const std::size_t line : portions[i].lines) {
                keys.emplace_back(lines[line].key);
            }
            list.push_back(json::object{{"keys", std::move(keys)},
                                        {"code", muster::name_of(failed[i]->code)},
                                        {"message", failed[i]->text}});
        }
        http_response answer{.status = status,
                             .body = ",\"failed\":" + json::serialize(list) + "}\n",
                             .content_type = "application/json",
                             .headers = {}};
        if (status == 503) {
            answer.headers.emplace_back("Retry-After", "1");
        }
        return answer;
    }
};

using shared_batch = std::shared_ptr<gathering_batch>;

void ask_write(const grid& on, const shared_batch& all, std::size_t number) {
    const portion& one = all->portions[number];
    std::vector<change> changes;
    changes.reserve(one.lines.size());
    for (const std::size_t line : one.lines) {
        changes.push_back({all->lines[line].key, all->lines[line].value});
    }
    const auto& resource = one.dated ? on.dates : on.parties;
    resource.ask<change_records>(one.where, changes)
        .then([all, number](const muster::result<void>& how) {
            if (!how) {
                all->failed[number] = how.error();
            }
            all->finish_one();
        });
}

void ask_read(const grid& on, const shared_batch& all, std::size_t number) {
    const portion& one = all->portions[number];
    std::vector<std::string> names;
    names.reserve(one.lines.size());
    for (const std::size_t line : one.lines) {
        names.push_back(all->lines[line].key);
    }
    const auto& resource = one.dated ? on.dates : on.parties;
    resource.ask<get_records>(one.where, names)
        .then([all, number](muster::result<std::vector<std::optional<std::string>>> got) {
            const portion& mine = all->portions[number];
            if (got && got->size() == mine.lines.size()) {
                for (std::size_t i = 0; i < mine.lines.size(); ++i) {
                    all->values[mine.lines[i]] = std::move((*got)[i]);
                }
            } else {
                all->failed[number] = got ? muster::error{errc::incompatible,
                                                          "the owner answered another number of "
                                                          "records than it was asked for"}
                                          : got.error();
            }
            all->finish_one();
        });
}

/// The lines by partition, as the newest plan has it. Errors: unavailable (no plan read yet).
muster::result<std::vector<portion>> divide(
    const grid& on,
    std::vector<batch_line>& lines,
    const std::function<std::string(std::string_view)>& date) {
    std::map<std::pair<bool, std::string>, portion> by_partition;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        batch_line& line = lines[i];
        const bool dated = is_dated(line.key);
        std::string partition = line.partition;
        std::string where = partition;
        if (dated && partition.empty()) {
            partition = date(line.key);
            if (partition.empty()) {
                partition = date_partition(line.key, date_step::day);
            }
            where = partition;
        } else if (!dated) {
            const auto to = on.parties.route(line.key);
            if (!to) {
                return muster::fail(errc::unavailable, "no plan of the parties has been read yet");
            }
            partition = to->partition;
            where = line.key;
        }
        auto& one = by_partition[{dated, partition}];
        if (one.lines.empty()) {
            one.dated = dated;
            one.where = where;
        }
        one.lines.push_back(i);
    }
    std::vector<portion> portions;
    portions.reserve(by_partition.size());
    for (auto& [key, one] : by_partition) {
        portions.push_back(std::move(one));
    }
    return portions;
}

}  // namespace

void front::write_many(const http_request& request, http_reply reply) {
    auto lines = parse_batch(request.body);
    if (!lines) {
        reply(error_response(lines.error()));
        return;
    }
    auto portions = divide(*grid_, *lines, [this](std::string_view key) { return date_of(key); });
    if (!portions) {
        reply(error_response(portions.error()));
        return;
    }
    auto all = std::make_shared<gathering_batch>(std::move(reply));
    all->lines = std::move(*lines);
    all->portions = std::move(*portions);
    all->failed.resize(all->portions.size());
    all->left.store(all->portions.size() + 1);
    for (std::size_t i = 0; i < all->portions.size(); ++i) {
        const portion& one = all->portions[i];
        if (!one.dated || grid_->dates.route(one.where)) {
            ask_write(*grid_, all, i);
            continue;
        }
        grid_->dates.add(one.where).then([on = grid_, all, i](const muster::result<void>& added) {
            if (added) {
                ask_write(*on, all, i);
            } else {
                all->failed[i] = added.error();
                all->finish_one();
            }
        });
    }
    all->finish_one();  // For a batch without lines.
}

void front::read_many(const http_request& request, http_reply reply) {
    auto lines = parse_batch(request.body);
    if (!lines) {
        reply(error_response(lines.error()));
        return;
    }
    auto portions = divide(*grid_, *lines, [this](std::string_view key) { return date_of(key); });
    if (!portions) {
        reply(error_response(portions.error()));
        return;
    }
    auto all = std::make_shared<gathering_batch>(std::move(reply));
    all->lines = std::move(*lines);
    all->portions = std::move(*portions);
    all->failed.resize(all->portions.size());
    all->values.resize(all->lines.size());
    all->reads = true;
    all->left.store(all->portions.size() + 1);
    for (std::size_t i = 0; i < all->portions.size(); ++i) {
        const portion& one = all->portions[i];
        if (one.dated && !grid_->dates.route(one.where)) {
            all->finish_one();  // No such date: no such records.
        } else {
            ask_read(*grid_, all, i);
        }
    }
    all->finish_one();
}

}  // namespace party_grid
