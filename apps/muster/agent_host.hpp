#pragma once

/// @file
/// Between a member and its work: journals what happens, begins and ends work, keeps it within
/// the lease.

#include "base/life_guard.hpp"
#include "cluster/member.hpp"
#include "errors.hpp"
#include "journal.hpp"
#include "runtime/loop.hpp"
#include "settings.hpp"
#include "work.hpp"

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace muster::cli {

/// Threads: control loop only.
class agent_host final : public cluster::member_host, public cluster::owner_host {
public:
    struct hooks {
        /// The member cannot go on; say so, leave, and end.
        std::function<void(failure)> give_up;
        std::function<void(verbosity level, std::string_view event, std::string text)> log;
        /// A right has been taken up, or has ended (`held` false).
        std::function<void(const cluster::right::identity&, bool held, bool with_lease)> told;
    };

    agent_host(std::shared_ptr<runtime::loop> control,
               std::string member_name,
               std::shared_ptr<runtime::platform> ground,
               journal& book,
               hooks told);

    /// Both outlive the last callback; set before the member serves anything.
    void attach(cluster::member& member,
                work& body,
                std::chrono::milliseconds release_deadline,
                bool numbered_partitions);
    /// Nothing is called any more.
    void detach();
    /// The first line, where no session has begun yet: one has to know that the agent runs.
    void begin_journal(std::chrono::milliseconds session_timeout);
    /// The last line.
    void end_journal(callback<> written);

    // member_host
    void became(member_id id, std::chrono::milliseconds session_timeout) override;
    void stepped(cluster::lifecycle from, cluster::lifecycle to) override;
    void view_changed(std::shared_ptr<const cluster::view_snapshot> now) override;
    void plan_changed(std::shared_ptr<const cluster::plan_snapshot> now) override;
    void leadership(bool gained, leader_epoch epoch) override;
    void initialize(std::vector<cluster::right::identity> first,
                    callback<result<void>> done) override;
    void failed(const error& why) override;
    void resource_trouble(const std::string& resource, const error& why) override;
    void stuck(const cluster::right::identity& what) override;

    // owner_host
    void acquire(std::shared_ptr<cluster::right> mine, callback<result<void>> done) override;
    void release(std::shared_ptr<cluster::right> mine, callback<> done) override;
    void revoke(std::shared_ptr<cluster::right> mine, callback<> done) override;

private:
    /// A right, from acquire to the end of its work.
    struct tenure {
        std::shared_ptr<cluster::right> mine;
        bool journalled = false;  ///< its acquire stands in the journal
        bool begun = false;       ///< its work has begun
        bool stopping = false;
        bool revoked = false;         ///< its revoke stands in the journal
        std::optional<instant> over;  ///< when the lease that it stood on ended
    };
    using place = std::list<tenure>::iterator;

    [[nodiscard]] instant lease_over() const;
    void write(std::string_view event,
               const boost::json::object& more,
               std::optional<instant> at = std::nullopt,
               callback<result<void>> written = {});
    void acquired(place at, bool journalled, result<void> wrote, callback<result<void>> done);
    void journal_revoke(tenure& of);
    void stop_work(place at, instant kill_at, callback<> done);
    void extend_all();
    [[nodiscard]] place find(const cluster::right& mine);
    /// It is over, and says what it was.
    tenure end(place at);
    [[nodiscard]] journal_author author_of(const cluster::right& mine) const;

    std::shared_ptr<runtime::loop> loop_;
    std::shared_ptr<runtime::platform> ground_;
    journal& book_;
    hooks told_;
    journal_author author_;
    bool book_begun_ = false;
    cluster::member* member_ = nullptr;
    work* body_ = nullptr;
    std::chrono::milliseconds release_deadline_{5'000};
    bool numbered_ = true;
    cluster::lifecycle state_ = cluster::lifecycle::stranded;
    member_id told_taken_;
    instant extended_to_ = instant::min();
    std::list<tenure> tenures_;
    /// Where each stands: the end of a lease ends all at once, and they may be a million.
    std::unordered_map<const cluster::right*, place> places_;
    std::int64_t view_number_ = 0;
    boost::json::object view_fields_;
    instant view_at_{};
    std::unique_ptr<runtime::timer> extend_timer_, view_timer_;
    life_guard life_;
};

}  // namespace muster::cli
