#pragma once

/// @file
/// What the reading verbs have in common: read, print, and with --watch again.

#include "command.hpp"
#include "picture.hpp"
#include "source.hpp"

#include <functional>
#include <ostream>
#include <string>

namespace muster::cli {

/// How to print.
struct style {
    format as = format::table;
    bool colours = false;
};

/// Prints `all` to `out`. Pure but for `out`; answers the exit code, or what is wrong.
using printer =
    std::function<outcome<exit_code>(const picture& all, const style& how, std::ostream& out)>;

/// Reads once and prints, or with --watch again and again until interrupted (then 130).
exit_code show(context& at, bool with_servers, const printer& print);

/// Errors: MUS0601 where the cluster does not exist.
[[nodiscard]] outcome<void> must_exist(const picture& all);
/// The resource, with a plan. Errors: MUS0601, MUS0602 (with the nearest name), MUS0608.
[[nodiscard]] outcome<const resource_facts*> must_have(const picture& all,
                                                       const std::string& resource);

// The printers, one for each verb.
outcome<exit_code> print_status(const picture& all, const style& how, std::ostream& out);
outcome<exit_code> print_members(const picture& all, const style& how, std::ostream& out);
outcome<exit_code> print_leader(const picture& all, const style& how, std::ostream& out);
outcome<exit_code> print_resources(const picture& all, const style& how, std::ostream& out);
outcome<exit_code> print_partitions(const picture& all,
                                    const std::string& resource,
                                    const style& how,
                                    std::ostream& out);
outcome<exit_code> print_route(const picture& all,
                               const std::string& resource,
                               const std::string& key,
                               const style& how,
                               std::ostream& out);

}  // namespace muster::cli
