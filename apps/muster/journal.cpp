#include "journal.hpp"

#include "base/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace muster::cli {

std::string journal_line(instant t,
                         std::string_view event,
                         const journal_author& who,
                         const boost::json::object& more) {
    boost::json::object line;
    line["t"] = t.time_since_epoch().count();
    line["event"] = event;
    line["member"] = who.member;
    line["id"] = who.id.text();
    for (const auto& [key, value] : more) {
        line[key] = value;
    }
    return boost::json::serialize(line);
}

boost::json::object journal_fields(const cluster::right::identity& what, bool as_number) {
    boost::json::object fields;
    fields["resource"] = what.resource;
    const auto number = base::parse_uint64(what.partition);
    if (as_number && number) {
        fields["partition"] = *number;
    } else {
        fields["partition"] = what.partition;
    }
    fields["fence"] = std::to_string(what.fence.value());
    if (what.slot > 0) {
        fields["replica"] = what.slot;
    }
    return fields;
}

class journal::state {
public:
    state(int fd, std::shared_ptr<runtime::platform> ground)
        : fd_{fd}, ground_{std::move(ground)}, thread_{[this] { work(); }} {}

    ~state() {
        {
            const std::lock_guard lock{mutex_};
            ending_ = true;
        }
        changed_.notify_one();
        thread_.join();
        if (fd_ > STDERR_FILENO) {
            ::close(fd_);
        }
    }

    void append(maker make, callback<result<void>> written) {
        {
            const std::lock_guard lock{mutex_};
            jobs_.emplace_back(std::move(make), std::move(written));
        }
        changed_.notify_one();
    }

private:
    using job = std::pair<maker, callback<result<void>>>;

    void work() {
        std::unique_lock lock{mutex_};
        for (;;) {
            changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
            if (jobs_.empty()) {
                return;
            }
            job next = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            auto line = next.first(ground_->now());
            auto how = line ? write_line(std::move(*line)) : result<void>{};
            if (next.second) {
                next.second(std::move(how));
            }
            next = {};
            lock.lock();
        }
    }

    result<void> write_line(std::string line) const {
        if (fd_ < 0) {
            return {};
        }
        line += '\n';
        std::string_view rest = line;
        while (!rest.empty()) {
            const ssize_t count = ::write(fd_, rest.data(), rest.size());
            if (count < 0 && errno != EINTR) {
                return fail(errc::unavailable,
                            std::string{"the journal cannot be written: "} + std::strerror(errno));
            }
            rest.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
        }
        return {};
    }

    int fd_;
    std::shared_ptr<runtime::platform> ground_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<job> jobs_;
    bool ending_ = false;
    std::thread thread_;
};

journal::journal(std::unique_ptr<state> inner) : state_{std::move(inner)} {}
journal::~journal() = default;

std::expected<std::unique_ptr<journal>, failure> journal::open(
    const std::string& file, std::shared_ptr<runtime::platform> ground) {
    int fd = -1;
    if (file == "-") {
        fd = STDOUT_FILENO;
    } else if (!file.empty()) {
        fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            return std::unexpected(failure{
                .code = "MUS0611",
                .message = "the journal " + file + " cannot be written: " + std::strerror(errno),
                .facts = {{"from", "--journal on the command line"}},
                .hint = "name a file in a folder that exists; - is stdout"});
        }
    }
    return std::unique_ptr<journal>(new journal{std::make_unique<state>(fd, std::move(ground))});
}

void journal::append(maker make, callback<result<void>> written) {
    state_->append(std::move(make), std::move(written));
}

}  // namespace muster::cli
