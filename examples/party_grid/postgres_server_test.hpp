#pragma once

/// @file
/// A private PostgreSQL server, from Debian's package, for tests.

#include "import_pipe.hpp"
#include "test_folder.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace party_grid {

namespace fs = std::filesystem;

/// Runs a shell line, as the user `postgres` where we are root, whom the server refuses.
inline bool shell(const std::string& line) {
    std::vector<std::string> command = {"sh", "-c", line + " >/dev/null"};
    if (::geteuid() == 0) {
        command.insert(command.begin(), {"runuser", "-u", "postgres", "--"});
    }
    const auto done = read_program_lines(command, [](std::string_view) {});
    return done.has_value();
}

/// The folder of the newest installed server; empty where there is none.
inline std::string server_programs() {
    std::string found;
    std::error_code ignored;
    for (const auto& version : fs::directory_iterator{"/usr/lib/postgresql", ignored}) {
        const std::string programs = (version.path() / "bin").string();
        if (fs::exists(programs + "/initdb") && programs > found) {
            found = programs;
        }
    }
    return found;
}

/// A private server on a socket in a folder of its own. It listens on no port.
class postgres_server {
public:
    postgres_server() {
        fs::permissions(folder_.path(), fs::perms::all);  // For the user postgres.
        const std::string data = folder_.file("data");
        if (shell("'" + programs_ + "/initdb' -D '" + data +
                  "' -A trust -U grid -E UTF8 --no-locale --no-sync")) {
            start();
        }
    }
    ~postgres_server() { stop("immediate"); }
    postgres_server(const postgres_server&) = delete;
    postgres_server& operator=(const postgres_server&) = delete;

    void start() {
        running_ = control("-w -t 60 -l '" + folder_.file("log") + "' -o \"-k '" + folder_.path() +
                           "' -c listen_addresses='' -c fsync=off\" start");
    }
    void stop(const std::string& mode) {
        if (running_) {
            control("-w -t 60 -m " + mode + " stop");
            running_ = false;
        }
    }

    [[nodiscard]] bool is_running() const { return running_; }
    [[nodiscard]] std::string folder() const { return folder_.path(); }
    [[nodiscard]] std::string url(const std::string& database = "postgres") const {
        return url_at(folder_.path(), database);
    }
    static std::string url_at(const std::string& folder, const std::string& database) {
        return "postgres://grid@/" + database + "?host=" + folder;
    }

    bool sql(const std::string& text) const {
        return shell("psql -X -q -v ON_ERROR_STOP=1 -h '" + folder_.path() +
                     "' -U grid -d postgres -c \"" + text + "\"");
    }
    /// A new database; its URL.
    std::string fresh() {
        const std::string name = "db" + std::to_string(++databases_);
        EXPECT_TRUE(sql("CREATE DATABASE " + name));
        return url(name);
    }

private:
    bool control(const std::string& what) const {
        return shell("'" + programs_ + "/pg_ctl' -D '" + folder_.file("data") + "' -s " + what);
    }

    std::string programs_ = server_programs();
    test_folder folder_;
    bool running_ = false;
    int databases_ = 0;
};

}  // namespace party_grid
