#include <map>
#include <muster/muster.hpp>
#include <optional>
#include <string>

struct put { using reply = void; std::string key, value; };
struct get { using reply = std::optional<std::string>; std::string key; };

struct shelf {  // one partition
    using handles = muster::requests<put, get>;
    void on(put p) { rows[p.key] = std::move(p.value); }
    std::optional<std::string> on(const get& g) const {
        const auto row = rows.find(g.key);
        return row == rows.end() ? std::nullopt : std::optional{row->second};
    }
    std::map<std::string, std::string> rows;
};

int main() {
    muster::node node{"shop"};
    node.serve<shelf>("shelves", muster::by_hash{.partitions = 64});
    return node.run();
}
