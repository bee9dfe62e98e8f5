#include "runtime/endpoint.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace muster::runtime {
namespace {

TEST(endpoint, is_written_with_brackets_only_for_ipv6) {
    EXPECT_EQ((endpoint{"127.0.0.1", 2181}.text()), "127.0.0.1:2181");
    EXPECT_EQ((endpoint{"::1", 2181}.text()), "[::1]:2181");
    EXPECT_EQ((endpoint{"fe80::1%eth0", 7}.text()), "[fe80::1%eth0]:7");
}

TEST(endpoint, is_read_in_every_written_form) {
    const std::vector<std::pair<std::string, host_port>> forms{
        {"localhost:2181", {"localhost", 2181}},
        {"1.2.3.4:80", {"1.2.3.4", 80}},
        {"[::1]:2181", {"::1", 2181}},
        {"[fe80::1%eth0]:65535", {"fe80::1%eth0", 65535}},
        {"zk1", {"zk1", 2181}},
        {"::1", {"::1", 2181}},
        {"[::1]", {"::1", 2181}},
        {"fe80::2", {"fe80::2", 2181}},
    };
    for (const auto& [text, expected] : forms) {
        EXPECT_EQ(parse_host_port(text, 2181), expected) << text;
    }
}

TEST(endpoint, needs_a_port_where_no_default_is_given) {
    for (const std::string text : {"zk1", "::1", "[::1]"}) {
        const auto read = parse_host_port(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, errc::invalid_argument);
    }
}

TEST(endpoint, refuses_what_is_not_an_address_and_quotes_it) {
    for (const std::string text : {"",
                                   ":80",
                                   "host:",
                                   "host:0",
                                   "host:65536",
                                   "host:-1",
                                   "host:80x",
                                   "[::1",
                                   "[::1]80",
                                   "[::1]:",
                                   "[host]:80",
                                   "a b:80",
                                   "http://x:80",
                                   "a,b:80",
                                   "[]:80",
                                   "host:99999999999999999999"}) {
        const auto read = parse_host_port(text, 2181);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, errc::invalid_argument);
        EXPECT_NE(read.error().text.find("'" + text + "'"), std::string::npos);
    }
}

}  // namespace
}  // namespace muster::runtime
