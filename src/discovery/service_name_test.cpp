#include "discovery/service_name.hpp"

#include <gtest/gtest.h>

namespace muster::discovery {
namespace {

const member_id life{0x0123'4567'89ab'cdefU, 0xfedc'ba98'7654'3210U};

TEST(the_name_of_an_instance, is_read_back_whatever_it_holds) {
    for (const char* const member : {"ann", "a/b@c.d;e", "", "Zoë", "%"}) {
        const instance one{pid{life, member, 7, 3}, member, "[::1]:7946", "east; west"};
        EXPECT_EQ(parse_instance(encode_instance(one)), one) << member;
    }
}

TEST(the_name_of_an_instance, has_one_form) {
    EXPECT_EQ(encode_instance({pid{life, "ann", 7, 3}, "ann", "10.0.0.5:7946", "east"}),
              "ann%2f7.3@01234567;0123456789abcdeffedcba9876543210;10.0.0.5:7946;east");
    EXPECT_EQ(encode_instance({pid{life, "ann", 7, 3}, "ann", "h:1", ""}),
              "ann%2f7.3@01234567;0123456789abcdeffedcba9876543210;h:1;%");
    EXPECT_EQ(service_path("/muster/c/services", "a b"), "/muster/c/services/a%20b");
}

TEST(the_name_of_an_instance, is_refused_where_it_is_foreign_or_spelled_otherwise) {
    const std::string id = "0123456789abcdeffedcba9876543210";
    for (const std::string& child : {std::string{},
                                     std::string{"ann"},
                                     "ann%2f7.3@01234567;" + id + ";h:1",
                                     "ann%2f7.3@01234567;" + id + ";h:1;;",
                                     "ann%2F7.3@01234567;" + id + ";h:1;%",
                                     "ann%2f07.3@01234567;" + id + ";h:1;%",
                                     "ann%2f7.0@01234567;" + id + ";h:1;%",
                                     "ann%2f7.3@99999999;" + id + ";h:1;%",
                                     "ann%2f99999999999.3@01234567;" + id + ";h:1;%",
                                     "ann7.3@01234567;" + id + ";h:1;%",
                                     "ann%2f7.3@01234567;" + id.substr(1) + ";h:1;%",
                                     "ann%2f7.3@01234567;" + id + ";h:1;%zz"}) {
        EXPECT_EQ(parse_instance(child), std::nullopt) << child;
    }
}

}  // namespace
}  // namespace muster::discovery
