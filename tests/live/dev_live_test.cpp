// `muster dev`, as somebody meets it who tries Muster for the first time.

#include "live/keeper_room.hpp"

namespace muster::live {
namespace {

TEST(muster_dev, says_how_to_reach_it_serves_there_and_stops_at_control_c) {
    const fs::path folder =
        fs::temp_directory_path() / ("muster-dev-" + std::to_string(::getpid()));
    fs::create_directories(folder);
    {
        child_process dev{
            {MUSTER_PROGRAM, "dev", "--listen", "127.0.0.1:0"}, folder / "out", folder / "err"};
        ASSERT_TRUE(until([&] { return dev.printed().contains("Ctrl-C stops it."); }, 20s));
        const std::string said = dev.printed();
        ASSERT_TRUE(said.starts_with("ready 127.0.0.1:")) << said;
        const std::string where = said.substr(6, said.find('\n') - 6);
        // The line to copy, without colours, for stdout is no terminal here.
        EXPECT_TRUE(said.contains("\n  export MUSTER_ZOOKEEPER=" + where + "\n")) << said;

        // Both commands that it shows, with that line.
        const auto shown = [&](const std::string& words, const std::string& log) {
            return std::vector<std::string>{"/bin/sh",
                                            "-c",
                                            "export MUSTER_ZOOKEEPER=" + where + "; exec " +
                                                MUSTER_PROGRAM + " " + words + " > " +
                                                (folder / log).string() + " 2>&1"};
        };
        ASSERT_TRUE(said.contains("  muster agent --name a1 --resource jobs --partitions 16"));
        child_process agent{
            shown("agent --name a1 --resource jobs --partitions 16 --journal -", "journal"),
            folder / "agent"};
        ASSERT_TRUE(said.contains("  muster status\n"));
        EXPECT_TRUE(until(
            [&] {
                child_process status{shown("status", "status"), folder / "asked"};
                return status.wait(20s) == 0;
            },
            30s))
            << text_of(folder / "status");
        agent.terminate();
        EXPECT_EQ(agent.wait(20s), 0) << text_of(folder / "journal");

        dev.interrupt();
        EXPECT_EQ(dev.wait(20s), 0);
        EXPECT_EQ(text_of(folder / "err"), "stopped\n");
    }
    fs::remove_all(folder);
}

}  // namespace
}  // namespace muster::live
