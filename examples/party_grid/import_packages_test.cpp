#include "import_packages.hpp"

#include "test_folder.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace party_grid {
namespace {

using muster::errc;

std::vector<stanza> stanzas_of(const std::string& text, std::size_t* malformed = nullptr) {
    std::vector<stanza> found;
    stanza_reader reader;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (auto one = reader.take(line)) {
            found.push_back(std::move(*one));
        }
    }
    if (auto last = reader.finish()) {
        found.push_back(std::move(*last));
    }
    if (malformed != nullptr) {
        *malformed = reader.malformed();
    }
    return found;
}

std::vector<record> records_of(const std::string& text) {
    package_collector packages;
    for (const stanza& one : stanzas_of(text)) {
        packages.add(one);
    }
    return packages.take();
}

std::string field_of(const record& one, const char* name) {
    const auto value = boost::json::parse(one.value).as_object();
    return value.contains(name) ? std::string{value.at(name).as_string()} : std::string{};
}

TEST(stanza_reader, reads_fields_and_their_continuations) {
    const auto found = stanzas_of(
        "Package: bash\n"
        "Tag: one,\n"
        "  two,\n"
        "\tthree\n"
        "Empty:\n"
        "Homepage: http://example.org:80/\n"
        "\n"
        "\n"
        "package:zsh\r\n"
        "VERSION:   1  \r\n"
        "\r\n");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0]["Package"], "bash");
    EXPECT_EQ(found[0]["Tag"], "one,\ntwo,\nthree");
    EXPECT_EQ(found[0]["Empty"], "");
    EXPECT_EQ(found[0]["Homepage"], "http://example.org:80/");
    EXPECT_EQ(found[0]["Nothing"], "");
    EXPECT_EQ(found[1]["Package"], "zsh");
    EXPECT_EQ(found[1]["Version"], "1");
}

TEST(stanza_reader, leaves_out_lines_that_are_no_fields) {
    std::size_t malformed = 0;
    const auto found = stanzas_of(
        " a continuation of nothing\n"
        "Package: bash\n"
        "no colon here\n"
        " and its continuation\n"
        "two words: x\n"
        ": no name\n"
        "Version: 5\n",
        &malformed);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0]["Package"], "bash");
    EXPECT_EQ(found[0]["Version"], "5");
    EXPECT_EQ(malformed, 4U);
}

TEST(compare_versions, orders_as_dpkg_does) {
    const std::vector<std::string> ascending = {
        "~~",
        "~~a",
        "~",
        "",
        "0.9",
        "1.0~rc1-1",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1.1",
        "1.0-2",
        "1.0a-1",
        "1.0+dfsg-1",
        "1.2",
        "1.10",
        "1.10-1",
        "2024.05.02",
        "1:0.1",
        "2:0.0.1",
    };
    for (std::size_t i = 0; i < ascending.size(); ++i) {
        for (std::size_t j = 0; j < ascending.size(); ++j) {
            EXPECT_EQ(compare_versions(ascending[i], ascending[j]), i <=> j)
                << "'" << ascending[i] << "' and '" << ascending[j] << "'";
        }
    }
    EXPECT_EQ(compare_versions("1.01", "1.1"), std::strong_ordering::equal);
    EXPECT_EQ(compare_versions("0:1.0", "1.0"), std::strong_ordering::equal);
}

TEST(package_collector, keeps_the_greatest_version_whatever_the_order) {
    const std::string older = "Package: bash\nVersion: 5.9\nArchitecture: amd64\n\n";
    const std::string newer = "Package: bash\nVersion: 5.10\nArchitecture: amd64\n\n";
    const std::string other = "Package: bash\nVersion: 5.10\nArchitecture: arm64\n\n";
    const auto found = records_of(older + newer + other);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].key, "bash");
    EXPECT_EQ(field_of(found[0], "version"), "5.10");
    EXPECT_EQ(field_of(found[0], "architecture"), "arm64");
    EXPECT_EQ(records_of(other + newer + older), found);
    EXPECT_EQ(records_of(newer + older + other), found);
}

TEST(package_collector, counts_what_it_leaves_out) {
    package_collector packages;
    for (const stanza& one : stanzas_of("Package: a\nVersion: 1\n\n"
                                        "Package: a\nVersion: 2\n\n"
                                        "Package: no-version\n\n"
                                        "Version: 3\n\n"
                                        "Package: removed\nVersion: 1\n"
                                        "Status: deinstall ok config-files\n\n"
                                        "Package: b\nVersion: 1\nStatus: install ok installed\n")) {
        packages.add(one);
    }
    EXPECT_EQ(packages.superseded(), 1U);
    EXPECT_EQ(packages.ignored(), 3U);
    EXPECT_EQ(packages.size(), 2U);
}

TEST(package_json, holds_the_main_fields) {
    const auto found = records_of(
        "Package: bash\nVersion: 5.2\nInstalled-Size: 7164\nSize: 99999999999\nSection: shells\n"
        "Description: the \"shell\"\n that everybody has\n");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].value,
              R"({"package":"bash","version":"5.2","section":"shells","installed_size_kib":7164,)"
              R"("size_bytes":"99999999999","description":"the \"shell\""})");
}

TEST(package_json, is_utf8_whatever_the_index_holds) {
    const auto broken = records_of("Package: a\nVersion: 1\nMaintainer: J\xf6rg\n");
    EXPECT_EQ(field_of(broken.at(0), "maintainer"), "J?rg");
    const auto good = records_of("Package: a\nVersion: 1\nMaintainer: J\xc3\xb6rg\n");
    EXPECT_EQ(field_of(good.at(0), "maintainer"), "J\xc3\xb6rg");
}

TEST(read_packages, falls_back_to_the_installed_ones_and_says_so) {
    const test_folder folder;
    std::ofstream{folder.file("status")}
        << "Package: bash\nStatus: install ok installed\nVersion: 5\n\n"
           "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
    for (const std::vector<std::string>& index :
         {std::vector<std::string>{"true"}, std::vector<std::string>{"no-such-program-here"}}) {
        const auto found = read_packages({index, folder.file("status")});
        ASSERT_TRUE(found.has_value()) << found.error().text;
        EXPECT_EQ(found->records.size(), 1U);
        EXPECT_EQ(found->source, folder.file("status"));
        EXPECT_NE(found->note.find(index[0]), std::string::npos) << found->note;
        EXPECT_NE(found->note.find("1 installed packages"), std::string::npos) << found->note;
    }
}

TEST(read_packages, takes_the_index_where_there_is_one) {
    const auto found =
        read_packages({{"printf", "Package: a\\nVersion: 1\\n\\nPackage: b\\nVersion: 1\\n"}, ""});
    ASSERT_TRUE(found.has_value()) << found.error().text;
    EXPECT_EQ(found->records.size(), 2U);
    EXPECT_EQ(found->note, "");
}

TEST(read_packages, says_what_to_do_where_there_is_neither) {
    const auto found = read_packages({{"true"}, "/no/such/status"});
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, errc::not_found);
    EXPECT_NE(found.error().text.find("apt-get update"), std::string::npos);
    EXPECT_NE(found.error().text.find("/no/such/status"), std::string::npos);
}

}  // namespace
}  // namespace party_grid
