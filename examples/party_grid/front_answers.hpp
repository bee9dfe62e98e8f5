#pragma once

/// @file
/// The bodies that the grid answers over HTTP.

#include "muster/error.hpp"
#include "muster/node.hpp"
#include "muster/resource.hpp"
#include "muster/view.hpp"

#include "front_lines.hpp"
#include "http.hpp"
#include "messages.hpp"
#include "shelf.hpp"
#include "store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

/// The status that tells a client what to do about `code`.
[[nodiscard]] unsigned status_of(muster::errc code);
[[nodiscard]] http_response error_response(const muster::error& what);

/// One record's value; JSON where it looks like it.
[[nodiscard]] http_response value_response(std::string value);
/// At most `limit` records, in the order of their keys; 207 where partitions are missing. That is
/// every date of the catalogue which this member's plan lacks, too, and `*` of `dates` where none
/// of them could be asked.
[[nodiscard]] http_response list_response(const muster::result<muster::gathered<page>>& parties,
                                          muster::result<muster::gathered<page>> dates,
                                          std::uint32_t limit);
/// The date partitions that `parties` knows of and `dates` was not asked for.
[[nodiscard]] std::vector<std::string> unseen_dates(const muster::gathered<page>& parties,
                                                    const muster::gathered<page>& dates);
/// The newest that `parties` knows of. Errors: not_found (none), what hides some of the catalogue.
[[nodiscard]] muster::result<std::string> newest_date(const muster::gathered<page>& parties);
[[nodiscard]] http_response latest_response(const std::string& partition, const page& got);
[[nodiscard]] http_response stats_response(
    const muster::node& node,
    const std::vector<std::shared_ptr<const shelf_figures>>& owned,
    const store_figures& written,
    std::uint64_t requests);
[[nodiscard]] http_response members_response(const muster::view& now);

}  // namespace party_grid
