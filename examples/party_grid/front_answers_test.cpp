#include "front_answers.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace party_grid {
namespace {

namespace json = boost::json;
using muster::errc;
using pages = muster::gathered<page>;

/// One partition of `parties` with ann's record, which knows of these dates.
pages parties_with(const std::vector<std::string>& dates) {
    return {.plan = 7,
            .answers = {{"3", {.records = {{"ann", "table 7"}}, .more = false, .dates = dates}}},
            .missing = {}};
}

json::value missing_in(const http_response& answer) {
    return json::parse(answer.body).at("missing");
}

TEST(a_list, names_the_dates_as_missing_where_none_could_be_asked) {
    const auto answer = list_response(
        parties_with({}), muster::fail(errc::unavailable, "no plan of resource 'dates'"), 10);
    EXPECT_EQ(answer.status, 207U);
    EXPECT_EQ(missing_in(answer),
              (json::value{{{"resource", "dates"},
                            {"partition", "*"},
                            {"code", "unavailable"},
                            {"message", "no plan of resource 'dates'"}}}));
    EXPECT_EQ(json::parse(answer.body).at("records").as_array().size(), 1U);
}

TEST(a_list, names_a_date_that_no_plan_read_here_has) {
    const pages dates{.plan = 5, .answers = {{"2024-05-01", {}}}, .missing = {{"2024-05-02", {}}}};
    const auto answer =
        list_response(parties_with({"2024-05-01", "2024-05-02", "2024-05-03"}), dates, 10);
    EXPECT_EQ(answer.status, 207U);
    const auto missing = missing_in(answer);
    ASSERT_EQ(missing.as_array().size(), 2U);
    EXPECT_EQ(missing.at(0).at("partition").as_string(), "2024-05-02");
    EXPECT_EQ(missing.at(1).at("partition").as_string(), "2024-05-03");
}

TEST(a_list, is_whole_where_every_partition_answered) {
    const pages dates{
        .plan = 5,
        .answers = {{"2024-05-01",
                     {.records = {{"2024-05-01T08", "v"}}, .more = false, .dates = {}}}},
        .missing = {}};
    const auto answer = list_response(parties_with({"2024-05-01"}), dates, 10);
    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(json::parse(answer.body).at("records").as_array().size(), 2U);
}

TEST(a_list, is_an_error_without_the_parties) {
    const auto answer = list_response(muster::fail(errc::unavailable, "no plan"), pages{}, 10);
    EXPECT_EQ(answer.status, 503U);
}

TEST(the_newest_date, is_the_greatest_name_in_the_whole_catalogue) {
    EXPECT_EQ(newest_date(parties_with({"2024-05-01", "2024-05-02T14:03"})).value(),
              "2024-05-02T14:03");
    EXPECT_EQ(newest_date(parties_with({})).error().code, errc::not_found);
    pages hidden = parties_with({"2024-05-01"});
    hidden.missing.push_back({"4", {errc::moving, "between owners"}});
    EXPECT_EQ(newest_date(hidden).error().code, errc::moving);
}

}  // namespace
}  // namespace party_grid
