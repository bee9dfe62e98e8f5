#pragma once

/// @file
/// The lines that the drivers of clients.py's DriverClient read and write.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace muster::conformance {

/// Percent-encoding that leaves letters, digits and "/=,.-_!" alone.
inline std::string quote(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    static constexpr std::string_view plain = "/=,.-_!";
    std::string quoted;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool alnum =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (alnum || plain.find(c) != std::string_view::npos) {
            quoted += c;
        } else {
            quoted += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return quoted;
}

inline std::string unquote(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            plain += static_cast<char>(
                std::strtol(std::string{text.substr(i + 1, 2)}.c_str(), nullptr, 16));
            i += 2;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

/// Splits at `separator` and takes the percent-encoding off each part; "" has one empty part.
inline std::vector<std::string> fields_of(std::string_view line, char separator) {
    std::vector<std::string> fields;
    for (;;) {
        const std::size_t end = line.find(separator);
        fields.push_back(unquote(line.substr(0, end)));
        if (end == std::string_view::npos) {
            return fields;
        }
        line.remove_prefix(end + 1);
    }
}

inline std::string joined(const std::vector<std::string>& fields) {
    std::string line;
    for (const std::string& field : fields) {
        line += (line.empty() ? "" : "\t") + quote(field);
    }
    return line;
}

inline void say(const std::vector<std::string>& fields) {
    std::printf("%s\n", joined(fields).c_str());
    std::fflush(stdout);
}

/// One answer: its error's number, and what came with it.
struct answer {
    std::vector<std::string> fields;

    explicit answer(int error) : fields{std::to_string(error)} {}
    answer& with(std::string_view key, std::string_view value) {
        fields.push_back(std::string{key} + "=" + std::string{value});
        return *this;
    }
    void send() const {
        std::vector<std::string> line{"="};
        line.insert(line.end(), fields.begin(), fields.end());
        say(line);
    }
};

struct acl_item {
    int permissions = 0;
    std::string scheme;
    std::string id;
};

/// "31,world,anyone 1,digest,ann%3Ax"
inline std::vector<acl_item> acl_items(std::string_view text) {
    std::vector<acl_item> items;
    while (!text.empty()) {
        const std::size_t end = text.find(' ');
        const auto parts = fields_of(text.substr(0, end), ',');
        items.push_back(acl_item{std::atoi(parts[0].c_str()), parts[1], parts[2]});
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return items;
}

}  // namespace muster::conformance
