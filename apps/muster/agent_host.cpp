#include "agent_host.hpp"

#include "cluster/codec.hpp"
#include "verbs.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace muster::cli {

using cluster::lifecycle;

namespace {

/// How often the wardens hear of the lease's new end.
constexpr duration extend_every = 50ms;
constexpr duration view_pause = 50ms;

/// "online" -> "Online", as the journal writes it.
std::string journal_name(lifecycle state) {
    std::string name{cluster::name_of(state)};
    name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    return name;
}

/// ", pid 71 on host-a, at 10.0.0.1:7000": what is known of it.
std::string whereabouts(const cluster::descriptor& of) {
    std::string text;
    const auto pid = of.metadata.find("pid");
    const auto host = of.metadata.find("host");
    if (pid != of.metadata.end() && host != of.metadata.end()) {
        text += ", pid " + pid->second + " on " + host->second;
    }
    if (!of.address.empty()) {
        text += ", at " + of.address;
    }
    return text;
}

}  // namespace

agent_host::agent_host(std::shared_ptr<runtime::loop> control,
                       std::string member_name,
                       std::shared_ptr<runtime::platform> ground,
                       journal& book,
                       hooks told)
    : loop_{std::move(control)},
      ground_{std::move(ground)},
      book_{book},
      told_{std::move(told)},
      author_{std::move(member_name), {}},
      extend_timer_{loop_->make_timer()},
      view_timer_{loop_->make_timer()} {}

void agent_host::attach(cluster::member& member,
                        work& body,
                        std::chrono::milliseconds release_deadline,
                        bool numbered_partitions) {
    member_ = &member;
    body_ = &body;
    release_deadline_ = release_deadline;
    numbered_ = numbered_partitions;
    extend_all();
}

void agent_host::detach() {
    extend_timer_->cancel();
    view_timer_->cancel();
    life_.renew();
    member_ = nullptr;
    body_ = nullptr;
    told_ = {};
}

// --- The journal ---------------------------------------------------------------------------------

void agent_host::write(std::string_view event,
                       const boost::json::object& more,
                       std::optional<instant> at,
                       callback<result<void>> written) {
    book_.append(
        [event = std::string{event}, more, at, who = author_](instant now) {
            return std::optional{journal_line(at.value_or(now), event, who, more)};
        },
        std::move(written));
}

void agent_host::begin_journal(std::chrono::milliseconds session_timeout) {
    if (std::exchange(book_begun_, true)) {
        return;
    }
    boost::json::object more;
    more["pid"] = ground_->process_number();
    more["boot_id"] = ground_->boot_id();
    more["version"] = own_version();
    more["session_timeout_ms"] = session_timeout.count();
    write("start", more);
}

void agent_host::end_journal(callback<> written) {
    begin_journal(std::chrono::milliseconds{0});
    if (view_timer_->is_set()) {
        view_timer_->cancel();
        write("view", view_fields_, view_at_);
    }
    write("exit", {}, std::nullopt, [written = std::move(written)](const result<void>&) mutable {
        written();
    });
}

void agent_host::became(member_id id, std::chrono::milliseconds session_timeout) {
    author_.id = id;
    begin_journal(session_timeout);
    boost::json::object more;
    more["session_timeout_ms"] = session_timeout.count();
    write("session", more);
}

void agent_host::stepped(lifecycle from, lifecycle to) {
    state_ = to;
    boost::json::object more;
    more["from"] = journal_name(from);
    more["to"] = journal_name(to);
    std::optional<instant> at;
    if (to == lifecycle::stranded) {
        at = lease_over();
        extended_to_ = instant::min();
        // Nothing that began under this lease is covered by a later one.
        for (tenure& one : tenures_) {
            if (!one.over) {
                one.over = *at;
                if (one.stopping && one.journalled) {
                    journal_revoke(one);
                }
            }
        }
    }
    write("state", more, at);
    told_.log(verbosity::info,
              "member.state",
              std::string{cluster::name_of(from)} + " -> " + std::string{cluster::name_of(to)});
}

void agent_host::view_changed(std::shared_ptr<const cluster::view_snapshot> now) {
    boost::json::object more;
    more["number"] = std::to_string(now->number);
    boost::json::array names;
    const cluster::view_snapshot::item* taken = nullptr;
    bool admitted = false;
    for (const auto& one : now->members) {
        names.emplace_back(one.described.name);
        admitted = admitted || one.id == author_.id;
        if (one.described.name == author_.member && one.id != author_.id) {
            taken = &one;
        }
    }
    more["members"] = std::move(names);
    // Descriptors of newcomers follow in a moment, as the same view with more names: the journal
    // takes the last of them.
    if (view_timer_->is_set() && now->number != view_number_) {
        view_timer_->cancel();
        write("view", view_fields_, view_at_);
    }
    view_number_ = now->number;
    view_fields_ = std::move(more);
    view_at_ = loop_->now();
    view_timer_->set(view_at_ + view_pause,
                     life_.wrap([this] { write("view", view_fields_, view_at_); }));
    if (!admitted && taken != nullptr && std::exchange(told_taken_, taken->id) != taken->id) {
        told_.log(verbosity::warning,
                  "member.name_taken",
                  "the name " + author_.member + " is taken by the member with id " +
                      taken->id.text() + whereabouts(taken->described) +
                      "; waiting in Joining until it is gone");
    }
}

void agent_host::plan_changed(std::shared_ptr<const cluster::plan_snapshot>) {}

void agent_host::leadership(bool gained, leader_epoch epoch) {
    boost::json::object more;
    more["gained"] = gained;
    more["epoch"] = std::to_string(epoch.value());
    write("leader", more, gained ? std::nullopt : std::optional{lease_over()});
}

void agent_host::initialize(std::vector<cluster::right::identity>, callback<result<void>> done) {
    done({});
}

void agent_host::failed(const error& why) {
    failure what = failure_of(why);
    if (why.code == errc::invalid_argument) {
        what.code = "MUS0610";
        what.hint = "leave --session-timeout at auto";
    }
    told_.give_up(std::move(what));
}

void agent_host::resource_trouble(const std::string& resource, const error& why) {
    told_.log(verbosity::error, "resource.refused", resource + ": " + why.text);
    if (why.code == errc::conflict) {
        told_.give_up({.code = "MUS0603",
                       .message = "resource '" + resource + "' is described otherwise: " + why.text,
                       .facts = {},
                       .hint = "use the same description, or another name"});
    } else if (why.next() != next_step::wait) {
        told_.give_up(failure_of(why));
    }
}

/// Whatever acts does so below a warden, which ends it at the lease end without being asked; only
/// the word of it may come late, after this process was stopped for a while.
void agent_host::stuck(const cluster::right::identity& what) {
    told_.log(verbosity::debug,
              "partition.late",
              what.resource + "/" + what.partition + " is still being reaped");
}

// --- Rights --------------------------------------------------------------------------------------

/// When the present lease ended, or now where it still held.
instant agent_host::lease_over() const {
    const instant now = loop_->now();
    const instant end = member_ == nullptr ? now : member_->acts_until();
    return end == instant::min() ? now : std::min(now, end);
}

agent_host::place agent_host::find(const cluster::right& mine) {
    const auto known = places_.find(&mine);
    return known == places_.end() ? tenures_.end() : known->second;
}

agent_host::tenure agent_host::end(place at) {
    places_.erase(at->mine.get());
    tenure was = std::move(*at);
    tenures_.erase(at);
    return was;
}

journal_author agent_host::author_of(const cluster::right& mine) const {
    return {author_.member, mine.what().member};
}

void agent_host::acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) {
    const place at = tenures_.emplace(tenures_.end());
    at->mine = mine;
    places_.emplace(mine.get(), at);
    const auto wrote_line = std::make_shared<bool>(false);
    auto here =
        life_.wrap([this, at, wrote_line, done = std::move(done)](result<void> wrote) mutable {
            acquired(at, *wrote_line, std::move(wrote), std::move(done));
        });
    book_.append(
        [mine,
         wrote_line,
         who = author_of(*mine),
         fields =
             journal_fields(mine->what(), numbered_)](instant now) -> std::optional<std::string> {
            if (!mine->valid(now)) {
                return std::nullopt;  // It ended before it began: nothing ever acts under it.
            }
            *wrote_line = true;
            return journal_line(now, "acquire", who, fields);
        },
        [loop = loop_, here = std::move(here)](result<void> wrote) mutable {
            loop->post([here = std::move(here), wrote = std::move(wrote)]() mutable {
                here(std::move(wrote));
            });
        });
}

void agent_host::acquired(place at,
                          bool journalled,
                          result<void> wrote,
                          callback<result<void>> done) {
    at->journalled = journalled;
    if (!wrote) {
        end(at);
        done(std::move(wrote));
        return;
    }
    if (!journalled || at->over || !at->mine->valid(loop_->now())) {
        done({});  // Its end has been decided, and is told in a moment.
        return;
    }
    auto how = body_->begin(at->mine, member_->acts_until());
    if (!how) {
        write("release", journal_fields(at->mine->what(), numbered_));
        end(at);
        done(std::move(how));
        return;
    }
    at->begun = true;
    if (told_.told) {
        told_.told(at->mine->what(), true, false);
    }
    done({});
}

void agent_host::release(std::shared_ptr<cluster::right> mine, callback<> done) {
    const place at = find(*mine);
    if (at == tenures_.end()) {
        done();
        return;
    }
    at->stopping = true;
    if (at->over && at->journalled) {
        journal_revoke(*at);
    }
    if (told_.told && at->begun) {
        told_.told(mine->what(), false, false);
    }
    stop_work(at, loop_->now() + release_deadline_, std::move(done));
}

void agent_host::revoke(std::shared_ptr<cluster::right> mine, callback<> done) {
    const place at = find(*mine);
    if (at == tenures_.end()) {
        done();
        return;
    }
    at->stopping = true;
    if (!at->over) {
        at->over = lease_over();
    }
    if (at->journalled) {
        journal_revoke(*at);
    }
    if (told_.told && at->begun) {
        told_.told(mine->what(), false, true);
    }
    stop_work(at, loop_->now(), std::move(done));
}

void agent_host::journal_revoke(tenure& of) {
    if (!std::exchange(of.revoked, true)) {
        book_.append([line = journal_line(*of.over,
                                          "revoke",
                                          author_of(*of.mine),
                                          journal_fields(of.mine->what(), numbered_))](instant) {
            return std::optional{line};
        });
    }
}

/// Journals the release once nothing acts any more, and says so once that is written.
void agent_host::stop_work(place at, instant kill_at, callback<> done) {
    auto stopped = life_.wrap([this, at, done = std::move(done)]() mutable {
        const tenure was = end(at);
        if (!was.journalled || was.revoked) {
            done();  // The revoke ends the interval; it stands in the journal already.
            return;
        }
        book_.append(
            [who = author_of(*was.mine), fields = journal_fields(was.mine->what(), numbered_)](
                instant now) { return std::optional{journal_line(now, "release", who, fields)}; },
            [done = std::move(done)](const result<void>&) mutable { done(); });
    });
    if (at->begun) {
        body_->end(*at->mine, kill_at, std::move(stopped));
    } else {
        stopped();
    }
}

void agent_host::extend_all() {
    const instant until = member_->acts_until();
    if (until > extended_to_ && until > loop_->now()) {
        extended_to_ = until;
        for (const tenure& one : tenures_) {
            if (one.begun && !one.over) {
                body_->extend(*one.mine, until);
            }
        }
    }
    extend_timer_->set(loop_->now() + extend_every, life_.wrap([this] { extend_all(); }));
}

}  // namespace muster::cli
