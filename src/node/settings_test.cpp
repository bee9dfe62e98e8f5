#include "node/settings.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace muster::detail {
namespace {

config here() {
    config one;
    one.name = "ann";
    return one;
}

std::string trouble(const config& from) {
    const auto got = settings_for_member(from, {});
    return got ? "none" : got.error().text;
}

TEST(what_a_member_is_told, is_what_operator_and_program_said) {
    config from = here();
    from.cluster = "shop";
    from.zookeeper = "zk1:2181,zk2:2182/apps";
    from.zone = "east";
    from.weight = 2;
    from.roles = {"reader"};
    from.metadata = {{"rack", "7"}};
    from.min_members = 3;
    from.digest = "ann:secret";
    application program;
    program.version = "2.1.0";
    const auto got = settings_for_member(from, program);
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->cluster, "shop");
    EXPECT_EQ(got->servers.servers.size(), 2U);
    EXPECT_EQ(got->servers.chroot, "/apps");
    EXPECT_EQ(got->self.name, "ann");
    EXPECT_EQ(got->self.version, "2.1.0");
    EXPECT_EQ(got->self.metadata, from.metadata);
    EXPECT_EQ(got->min_members, 3U);
    EXPECT_FALSE(got->initializes);
    EXPECT_EQ(got->auth.size(), 1U);
    EXPECT_EQ(got->access, zookeeper::creator_all_acl());
    program.init = [](const initial&) -> result<void> { return {}; };
    EXPECT_TRUE(settings_for_member(from, program)->initializes);
}

TEST(what_a_member_is_told, is_checked_and_the_setting_named) {
    config from = here();
    from.cluster = "";
    EXPECT_NE(trouble(from).find("`cluster`"), std::string::npos);
    from = here();
    from.weight = std::numeric_limits<double>::infinity();
    EXPECT_NE(trouble(from).find("`weight`"), std::string::npos);
    from = here();
    from.zookeeper = "zk:notaport";
    EXPECT_NE(trouble(from).find("`zookeeper` = \"zk:notaport\""), std::string::npos);
    from = here();
    from.digest = "nocolon";
    EXPECT_NE(trouble(from).find("`digest`"), std::string::npos);
    from = here();
    from.workers = 65;
    EXPECT_NE(trouble(from).find("`workers`"), std::string::npos);
    from = here();
    from.max_clock_slew_ppm = 600'000;
    EXPECT_NE(trouble(from).find("`max_clock_slew_ppm`"), std::string::npos);
}

result<runtime::endpoint> listens(config from) {
    return listen_address(from, settings_for_member(from, {})->servers);
}

TEST(the_mesh, listens_on_loopback_where_zookeeper_is_there_too) {
    EXPECT_EQ(listens(here())->text(), "127.0.0.1:0");
    config from = here();
    from.zookeeper = "localhost:2181";
    EXPECT_EQ(listens(from)->text(), "127.0.0.1:0");
}

TEST(the_mesh, is_told_an_address_that_others_can_reach_where_zookeeper_is_elsewhere) {
    config from = here();
    from.zookeeper = "zk1:2181";
    EXPECT_EQ(listens(from).error().code, errc::invalid_argument);
    from.listen = "0.0.0.0:7946";
    EXPECT_EQ(listens(from).error().code, errc::invalid_argument);
    from.advertise = "10.0.0.5:7946";
    EXPECT_EQ(listens(from)->text(), "0.0.0.0:7946");
    from.listen = "10.0.0.5:7946";
    EXPECT_EQ(listens(from)->text(), "10.0.0.5:7946");
    from.listen = "10.0.0.5";
    EXPECT_EQ(listens(from).error().code, errc::invalid_argument);
}

served hash_of(std::uint32_t partitions) {
    served how;
    how.partitions = partitions;
    return how;
}

TEST(a_resource_as_served, is_checked_and_the_option_named) {
    EXPECT_EQ(check_resource("shelves", hash_of(64)), std::nullopt);
    EXPECT_NE(check_resource("", hash_of(64)), std::nullopt);
    EXPECT_NE(check_resource("member", hash_of(64)), std::nullopt);
    EXPECT_NE(check_resource("shelves", hash_of(0)), std::nullopt);
    EXPECT_NE(check_resource("shelves", hash_of(2'000'000)), std::nullopt);
    served range;
    range.what = served::kind::range;
    range.from = {"A", "H"};
    EXPECT_EQ(check_resource("shelves", range), std::nullopt);
    range.from = {"H", "A"};
    EXPECT_NE(check_resource("shelves", range), std::nullopt);
    range.from = {};
    EXPECT_NE(check_resource("shelves", range), std::nullopt);
    served stuck = hash_of(4);
    stuck.options.on_stuck = on_stuck::fence;
    EXPECT_NE(check_resource("shelves", stuck), std::nullopt);
    stuck.options.effects = effects::none;
    EXPECT_EQ(check_resource("shelves", stuck), std::nullopt);
    stuck.options.replicas = 0;
    EXPECT_NE(check_resource("shelves", stuck), std::nullopt);
    served prepared = hash_of(4);
    prepared.options.prepare_deadline = 1s;
    ASSERT_NE(check_resource("shelves", prepared), std::nullopt);
    EXPECT_NE(check_resource("shelves", prepared)->text.find("static void prepare"),
              std::string::npos);
    prepared.prepare = [](const partition_hint&) { return result<void>{}; };
    EXPECT_EQ(check_resource("shelves", prepared), std::nullopt);
    EXPECT_EQ(specification_of(prepared).prepare_deadline, 1s);
    prepared.options.prepare_deadline = -1ms;
    EXPECT_NE(check_resource("shelves", prepared), std::nullopt);
}

TEST(a_resource_as_served, has_a_handover_delay_by_what_its_effects_are) {
    EXPECT_EQ(specification_of(hash_of(4)).handover_delay, 500ms);
    served fenced = hash_of(4);
    fenced.options.effects = effects::fenced;
    EXPECT_EQ(specification_of(fenced).handover_delay, 0ms);
    fenced.options.handover_delay = 70ms;
    EXPECT_EQ(specification_of(fenced).handover_delay, 70ms);
    fenced.options.planner = balanced;
    EXPECT_EQ(specification_of(fenced).planner, "custom");
}

}  // namespace
}  // namespace muster::detail
