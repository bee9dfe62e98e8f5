#pragma once

/// @file
/// A folder for one test.

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace party_grid {

/// A new folder below the system's temporary one; removed with everything in it at the end.
class test_folder {
public:
    test_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "party_grid.XXXXXX").string();
        path_ = ::mkdtemp(name.data()) == nullptr ? std::string{} : name;
    }
    ~test_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    test_folder(const test_folder&) = delete;
    test_folder& operator=(const test_folder&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace party_grid
