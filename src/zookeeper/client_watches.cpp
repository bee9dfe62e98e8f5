#include "zookeeper/client_watches.hpp"

#include "zookeeper/protocol.hpp"

#include <iterator>

namespace muster::zookeeper {
namespace {

using protocol::op_code;

/// Gathers paths into set_watches requests and closes one when it is full.
class chunker {
public:
    chunker(std::int64_t relative_zxid, std::size_t limit) : limit_(limit) {
        next_.relative_zxid = relative_zxid;
    }

    template <class Table>
    void add(op_code code,
             std::vector<std::string_view> protocol::set_watches_request::* list,
             const Table& table) {
        if (next_.code != code) {
            close();
            next_.code = code;
        }
        for (const auto& [path, watches] : table) {
            const std::size_t cost = path.size() + 4;
            if (used_ != 0 && used_ + cost > limit_) {
                close();
            }
            used_ += cost;
            (next_.*list).push_back(path);
        }
    }

    std::vector<std::string> finish() {
        close();
        return std::move(frames_);
    }

private:
    void close() {
        if (used_ == 0) {
            return;
        }
        std::string frame;
        jute_writer w{frame};
        const std::size_t mark = w.begin_frame();
        encode(frame, protocol::request_header{protocol::special_xid::set_watches, next_.code});
        encode(frame, next_);
        w.end_frame(mark);
        frames_.push_back(std::move(frame));
        next_.data.clear();
        next_.exist.clear();
        next_.child.clear();
        next_.persistent.clear();
        next_.recursive.clear();
        used_ = 0;
    }

    std::size_t limit_;
    std::size_t used_ = 0;
    protocol::set_watches_request next_;
    std::vector<std::string> frames_;
};

}  // namespace

void client_watches::add_data(const std::string& path, shared_watch watch) {
    data_[path].push_back(std::move(watch));
}

void client_watches::add_exist(const std::string& path, shared_watch watch) {
    exist_[path].push_back(std::move(watch));
}

void client_watches::add_child(const std::string& path, shared_watch watch) {
    child_[path].push_back(std::move(watch));
}

void client_watches::add_persistent(const std::string& path, watch_mode mode, shared_watch watch) {
    table& into = mode == watch_mode::persistent ? persistent_ : recursive_;
    into[path].push_back(std::move(watch));
}

void client_watches::move_out(table& from, const std::string& path, std::vector<shared_watch>& to) {
    const auto found = from.find(path);
    if (found != from.end()) {
        to.insert(to.end(),
                  std::make_move_iterator(found->second.begin()),
                  std::make_move_iterator(found->second.end()));
        from.erase(found);
    }
}

std::vector<shared_watch> client_watches::take(event_type type, const std::string& path) {
    std::vector<shared_watch> heard;
    switch (type) {
        case event_type::created:
        case event_type::data_changed:
            move_out(data_, path, heard);
            move_out(exist_, path, heard);
            break;
        case event_type::children_changed:
            move_out(child_, path, heard);
            break;
        case event_type::deleted:
            move_out(data_, path, heard);
            move_out(exist_, path, heard);
            move_out(child_, path, heard);
            break;
        default:
            return heard;
    }
    const auto hear_all = [&heard](const table& from, std::string_view at) {
        const auto found = from.find(at);
        if (found != from.end()) {
            heard.insert(heard.end(), found->second.begin(), found->second.end());
        }
    };
    hear_all(persistent_, path);
    // A recursive watch stands for everything below it; it hears no children_changed, since it
    // hears of each child itself.
    if (type == event_type::children_changed || recursive_.empty()) {
        return heard;
    }
    std::string_view at = path;
    while (at.size() > 1) {
        hear_all(recursive_, at);
        const std::size_t slash = at.rfind('/');
        at = at.substr(0, slash == std::string_view::npos ? 0 : slash);
    }
    hear_all(recursive_, "/");
    return heard;
}

std::vector<shared_watch> client_watches::remove(const std::string& path, watcher_type which) {
    std::vector<shared_watch> removed;
    if (which != watcher_type::data) {
        move_out(child_, path, removed);
    }
    if (which != watcher_type::children) {
        move_out(data_, path, removed);
        move_out(exist_, path, removed);
    }
    if (which == watcher_type::any) {
        move_out(persistent_, path, removed);
        move_out(recursive_, path, removed);
    }
    return removed;
}

bool client_watches::empty() const noexcept {
    return size() == 0;
}

std::size_t client_watches::size() const noexcept {
    return data_.size() + exist_.size() + child_.size() + persistent_.size() + recursive_.size();
}

std::vector<std::string> client_watches::encode_all(std::int64_t relative_zxid,
                                                    std::size_t chunk) const {
    chunker out{relative_zxid, chunk};
    using lists = protocol::set_watches_request;
    out.add(op_code::set_watches, &lists::data, data_);
    out.add(op_code::set_watches, &lists::exist, exist_);
    out.add(op_code::set_watches, &lists::child, child_);
    out.add(op_code::set_watches2, &lists::persistent, persistent_);
    out.add(op_code::set_watches2, &lists::recursive, recursive_);
    return out.finish();
}

}  // namespace muster::zookeeper
