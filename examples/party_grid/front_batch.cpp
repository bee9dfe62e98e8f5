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
    bool adds = false;  ///< A date partition that may be new.
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
    std::size_t idle = 0;  ///< Lines that nobody is asked about: of dates that are not there.
    std::atomic<std::size_t> left{0};
    bool reads = false;

    void finish_one() {
        if (left.fetch_sub(1) == 1) {
            reply(reads ? read_answer() : write_answer());
        }
    }

    [[nodiscard]] http_response write_answer() const {
        std::size_t written = idle;
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

/// How the partitions are asked.
struct way {
    std::shared_ptr<grid> on;
    std::shared_ptr<date_finder> dates;
    answer_by until;
};

void ask_write(const way& by, const shared_batch& all, std::size_t number) {
    const portion& one = all->portions[number];
    std::vector<change> changes;
    changes.reserve(one.lines.size());
    for (const std::size_t line : one.lines) {
        changes.push_back({all->lines[line].key, all->lines[line].value});
    }
    ending<void> tell = [all, number](const muster::result<void>& how) {
        if (!how) {
            all->failed[number] = how.error();
        }
        all->finish_one();
    };
    if (one.dated) {
        by.dates->ask<change_records>(one.where, one.adds, by.until, std::move(tell), changes);
    } else {
        by.on->parties.within(time_left(by.until))
            .ask<change_records>(one.where, changes)
            .then(std::move(tell));
    }
}

void ask_read(const way& by, const shared_batch& all, std::size_t number) {
    const portion& one = all->portions[number];
    std::vector<std::string> names;
    names.reserve(one.lines.size());
    for (const std::size_t line : one.lines) {
        names.push_back(all->lines[line].key);
    }
    ending<std::vector<std::optional<std::string>>> tell =
        [all, number](muster::result<std::vector<std::optional<std::string>>> got) {
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
        };
    if (one.dated) {
        by.dates->ask<get_records>(one.where, one.adds, by.until, std::move(tell), names);
    } else {
        by.on->parties.within(time_left(by.until))
            .ask<get_records>(one.where, names)
            .then(std::move(tell));
    }
}

/// The dated keys among the lines, in their order. The partition that a line names says how its
/// day may be cut, where nothing has decided it yet.
std::vector<dated_key> dated_keys(const gathering_batch& all) {
    std::vector<dated_key> keys;
    for (const batch_line& line : all.lines) {
        if (is_dated(line.key)) {
            keys.push_back(
                {.what = {.key = line.key, .adds = !all.reads && line.value},
                 .wished = line.partition.empty() ? date_step::day : step_of(line.partition)});
        }
    }
    return keys;
}

/// The lines by partition; `homes` are those of the dated keys. Errors: unavailable (no plan of
/// `parties` has been read yet).
muster::result<void> divide(const grid& on,
                            gathering_batch& all,
                            const std::vector<std::string>& homes) {
    std::map<std::pair<bool, std::string>, portion> by_partition;
    auto home = homes.begin();
    for (std::size_t i = 0; i < all.lines.size(); ++i) {
        const batch_line& line = all.lines[i];
        const bool dated = is_dated(line.key);
        const auto to = dated ? nullptr : on.parties.route(line.key);
        if (!dated && !to) {
            return muster::fail(errc::unavailable, "no plan of the parties has been read yet");
        }
        const std::string partition = dated ? *home++ : to->partition;
        if (partition.empty()) {
            ++all.idle;
            continue;
        }
        auto& one = by_partition[{dated, partition}];
        if (one.lines.empty()) {
            one.dated = dated;
            one.where = dated ? partition : line.key;
        }
        one.adds = one.adds || (dated && !all.reads && line.value);
        one.lines.push_back(i);
    }
    for (auto& [key, one] : by_partition) {
        all.portions.push_back(std::move(one));
    }
    return {};
}

void ask_all(const way& by, const shared_batch& all, const std::vector<std::string>& homes) {
    if (auto divided = divide(*by.on, *all, homes); !divided) {
        all->reply(error_response(divided.error()));
        return;
    }
    all->failed.resize(all->portions.size());
    all->values.resize(all->lines.size());
    all->left.store(all->portions.size() + 1);
    for (std::size_t i = 0; i < all->portions.size(); ++i) {
        (all->reads ? ask_read : ask_write)(by, all, i);
    }
    all->finish_one();  // For a batch that asks nobody.
}

}  // namespace

void front::many(const http_request& request, batch_kind what, http_reply reply) {
    auto lines = parse_batch(request.body);
    if (!lines) {
        reply(error_response(lines.error()));
        return;
    }
    auto all = std::make_shared<gathering_batch>(std::move(reply));
    all->lines = std::move(*lines);
    all->reads = what == batch_kind::read;
    const way by{.on = grid_, .dates = dates_, .until = from_now()};
    dates_->find(dated_keys(*all),
                 by.until,
                 [by, all](const muster::result<std::vector<std::string>>& homes) {
                     if (homes) {
                         ask_all(by, all, *homes);
                     } else {
                         all->reply(error_response(homes.error()));
                     }
                 });
}

}  // namespace party_grid
