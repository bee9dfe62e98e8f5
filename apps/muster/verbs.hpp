#pragma once

/// @file
/// The functions behind the verbs; each stands in a file of its own.

#include "command.hpp"

namespace muster::cli {

exit_code run_dev(const given& words, context& at);
exit_code run_demo(const given& words, context& at);
exit_code run_keeper(const given& words, context& at);
exit_code run_agent(const given& words, context& at);
exit_code run_elect(const given& words, context& at);
exit_code run_status(const given& words, context& at);
exit_code run_members(const given& words, context& at);
exit_code run_leader(const given& words, context& at);
exit_code run_resources(const given& words, context& at);
exit_code run_partitions(const given& words, context& at);
exit_code run_route(const given& words, context& at);
exit_code run_ask(const given& words, context& at);
exit_code run_send(const given& words, context& at);
exit_code run_watch(const given& words, context& at);
exit_code run_version(const given& words, context& at);
exit_code run_help(const given& words, context& at);

/// Of this program.
[[nodiscard]] std::string_view own_version();

}  // namespace muster::cli
