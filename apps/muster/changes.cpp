#include "changes.hpp"

#include "partition_json.hpp"

#include <algorithm>
#include <utility>

namespace muster::cli {
namespace {

using boost::json::object;

class difference {
public:
    difference(const picture& before, const picture& now) : before_{before}, now_{now} {}

    std::vector<object> all() {
        members();
        leader();
        view();
        for (const auto& [name, facts] : now_.resources) {
            resource(name, facts);
        }
        return std::move(events_);
    }

private:
    object& add(std::string_view event) {
        object& one = events_.emplace_back();
        one["event"] = event;
        one["unix_ms"] = now_.read_unix_ms;
        one["cluster"] = now_.cluster;
        return one;
    }

    void about(object& one, const member_row& who) {
        one["member"] = who.name;
        one["id"] = who.id.text();
    }

    void members() {
        const auto old_rows = member_rows(before_);
        const auto new_rows = member_rows(now_);
        for (const member_row& old : old_rows) {
            if (std::ranges::find(new_rows, old.id, &member_row::id) == new_rows.end()) {
                about(add("member.left"), old);
            }
        }
        for (const member_row& one : new_rows) {
            const auto old = std::ranges::find(old_rows, one.id, &member_row::id);
            if (old == old_rows.end()) {
                object& event = add("member.joined");
                about(event, one);
                event["state"] = one.state;
                event["address"] = one.address;
            } else if (old->state != one.state) {
                object& event = add("member.state");
                about(event, one);
                event["from"] = old->state;
                event["to"] = one.state;
            }
        }
    }

    void leader() {
        if (before_.leader == now_.leader) {
            return;
        }
        object& event = add("leader.changed");
        event["from"] = before_.leader ? before_.name_of(before_.leader->id) : "";
        event["to"] = now_.leader ? now_.name_of(now_.leader->id) : "";
        event["id"] = now_.leader ? now_.leader->id.text() : "";
        event["epoch"] = std::to_string(now_.leader ? now_.leader->epoch : 0);
    }

    void view() {
        const std::int64_t old = before_.view ? before_.view->number : 0;
        if (!now_.view || now_.view->number == old) {
            return;
        }
        object& event = add("view.changed");
        event["number"] = std::to_string(now_.view->number);
        boost::json::array names;
        for (const auto& one : now_.view->members) {
            names.emplace_back(now_.name_of(one.id));
        }
        event["members"] = std::move(names);
    }

    void resource(const std::string& name, const resource_facts& facts) {
        if (!facts.plan || facts.spec.tombstone) {
            return;
        }
        const auto old = before_.resources.find(name);
        const bool known = old != before_.resources.end() && old->second.plan.has_value();

        std::vector<partition_row> old_rows;
        if (known) {
            old_rows = partition_rows(before_, name);
        }
        for (const partition_row& row : partition_rows(now_, name)) {
            const auto was = std::ranges::find(old_rows, row.partition, &partition_row::partition);
            if (was == old_rows.end() || was->writer.owner_id != row.writer.owner_id ||
                was->writer.fence != row.writer.fence || was->writer.at != row.writer.at) {
                partition(name, facts, was == old_rows.end() ? nullptr : &was->writer, row);
            }
        }
        if (!known || old->second.plan->number != facts.plan->number) {
            object& event = add("plan.changed");
            event["resource"] = name;
            event["plan"] = std::to_string(facts.plan->number);
        }
    }

    void partition(const std::string& resource,
                   const resource_facts& facts,
                   const holder_row* was,
                   const partition_row& row) {
        object& event = add("partition.changed");
        event["resource"] = resource;
        event["partition"] = partition_json(facts, row.partition);
        event["from"] = was == nullptr ? "" : was->owner;
        event["owner"] = row.writer.owner;
        event["owner_id"] = row.writer.owner_id.empty() ? "" : row.writer.owner_id.text();
        event["fence"] = std::to_string(row.writer.fence);
        event["phase"] = name_of(row.writer.at);
    }

    const picture& before_;
    const picture& now_;
    std::vector<object> events_;
};

}  // namespace

std::vector<object> changes(const picture& before, const picture& now) {
    return difference{before, now}.all();
}

}  // namespace muster::cli
