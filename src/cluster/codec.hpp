#pragma once

/// @file
/// The stored JSON of each record. Every reader refuses a higher format with an error that names
/// the znode, ignores unknown fields, and checks every value it uses.

#include "muster/error.hpp"

#include "cluster/records.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace muster::cluster {

[[nodiscard]] std::string encode(const root_record& what);
[[nodiscard]] std::string encode(const key_record& what);
[[nodiscard]] std::string encode(const descriptor& what);
[[nodiscard]] std::string encode(const status_record& what);
[[nodiscard]] std::string encode(const view_head& what);
[[nodiscard]] std::string encode(const view_chunk& what);
[[nodiscard]] std::string encode(const specification& what);
[[nodiscard]] std::string encode(const plan_head& what);
/// Columns: a table of ids, then arrays of small integers. Names only where the kind is list.
[[nodiscard]] std::string encode(const plan_chunk& what, const specification& of);

/// Errors: incompatible (a higher format), invalid_argument (not what it should be); the text
/// names `path` and what is wrong with it.
template <class Record>
[[nodiscard]] result<Record> decode(std::string_view json, std::string_view path);
template <>
result<root_record> decode(std::string_view json, std::string_view path);
template <>
result<key_record> decode(std::string_view json, std::string_view path);
template <>
result<descriptor> decode(std::string_view json, std::string_view path);
template <>
result<status_record> decode(std::string_view json, std::string_view path);
template <>
result<view_head> decode(std::string_view json, std::string_view path);
template <>
result<view_chunk> decode(std::string_view json, std::string_view path);
template <>
result<specification> decode(std::string_view json, std::string_view path);
template <>
result<plan_head> decode(std::string_view json, std::string_view path);
/// `chunk` is its place; entries of hash and range resources are named from `of`.
[[nodiscard]] result<plan_chunk> decode_chunk(std::string_view json,
                                              std::string_view path,
                                              const specification& of,
                                              std::size_t chunk);

/// How many entries chunk number `chunk` of a hash or range resource holds; 0 beyond the end, and
/// for a list, whose chunks say so themselves.
[[nodiscard]] std::size_t entries_in_chunk(const specification& of, std::size_t chunk);

/// "online" and so on, as stored and shown.
[[nodiscard]] std::string_view name_of(lifecycle state) noexcept;
[[nodiscard]] std::string_view name_of(resource_kind kind) noexcept;

}  // namespace muster::cluster
