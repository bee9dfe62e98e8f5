#include "verbs.hpp"

#include <boost/json.hpp>

namespace muster::cli {

std::string_view own_version() {
    return MUSTER_VERSION;
}

exit_code run_version(const given&, context& at) {
    if (at.common.as == format::json) {
        boost::json::object item;
        item["version"] = own_version();
        boost::json::object document;
        document["schema"] = "muster.version/1";
        document["items"] = boost::json::array{std::move(item)};
        at.out << boost::json::serialize(document) << '\n';
    } else {
        at.out << (at.common.as == format::name ? "" : "muster ") << own_version() << '\n';
    }
    return exit_code::done;
}

}  // namespace muster::cli
