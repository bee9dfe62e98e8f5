#include "zookeeper/access.hpp"

#include "base/text.hpp"

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

namespace muster::zookeeper {
namespace {

struct ip_range {
    std::uint32_t address = 0;
    std::uint32_t mask = 0;
};

std::optional<std::uint32_t> parse_ip4(std::string_view text) {
    const auto parts = base::split(text, '.');
    if (parts.size() != 4) {
        return std::nullopt;
    }
    std::uint32_t address = 0;
    for (const std::string_view part : parts) {
        const auto value = base::parse_uint64(part);
        if (!value || *value > 255) {
            return std::nullopt;
        }
        address = address << 8 | static_cast<std::uint32_t>(*value);
    }
    return address;
}

/// "1.2.3.4" or "1.2.3.0/24". IPv6 is not understood by this scheme.
std::optional<ip_range> parse_range(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = parse_ip4(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    std::uint64_t bits = 32;
    if (slash != std::string_view::npos) {
        const auto given = base::parse_uint64(text.substr(slash + 1));
        if (!given || *given > 32) {
            return std::nullopt;
        }
        bits = *given;
    }
    const auto mask = static_cast<std::uint32_t>(0xffffffffULL << (32 - bits));
    return ip_range{*address, mask};
}

bool matches(const identity& who, const acl_entry& entry) {
    if (who.scheme != entry.scheme) {
        return false;
    }
    if (entry.scheme != "ip") {
        return who.id == entry.id;
    }
    const auto range = parse_range(entry.id);
    const auto address = parse_ip4(who.id);
    return range && address && ((*address ^ range->address) & range->mask) == 0;
}

bool is_well_formed(const acl_entry& entry) {
    if (entry.scheme == "digest") {
        const std::string_view id = entry.id;
        const std::size_t end = id.find_last_not_of(':');
        return end != std::string_view::npos && std::ranges::count(id.substr(0, end), ':') == 1;
    }
    return entry.scheme == "ip" && parse_range(entry.id).has_value();
}

bool is_anyone(const acl_entry& entry) {
    return entry.scheme == "world" && entry.id == "anyone";
}

struct entry_hash {
    std::size_t operator()(const acl_entry* entry) const noexcept {
        std::size_t seed = std::hash<std::string_view>{}(entry->id);
        boost::hash_combine(seed, std::hash<std::string_view>{}(entry->scheme));
        boost::hash_combine(seed, entry->permissions);
        return seed;
    }
};
struct same_entry {
    bool operator()(const acl_entry* one, const acl_entry* other) const noexcept {
        return *one == *other;
    }
};

/// Gathers what is stored, as long as it keeps within bounds.
class stored_acl {
public:
    void add(acl_entry entry) {
        bytes_ += entry.scheme.size() + entry.id.size();
        fits_ = fits_ && entries_.size() < most_acl_entries && bytes_ <= most_acl_bytes;
        if (fits_) {
            entries_.push_back(std::move(entry));
        }
    }
    [[nodiscard]] bool fits() const noexcept { return fits_; }
    [[nodiscard]] acl take() { return std::move(entries_); }

private:
    acl entries_;
    std::size_t bytes_ = 0;
    bool fits_ = true;
};

}  // namespace

std::string digest_id(std::string_view credentials) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    EVP_Digest(credentials.data(), credentials.size(), hash.data(), &size, EVP_sha1(), nullptr);
    std::array<unsigned char, 4 * (EVP_MAX_MD_SIZE / 3 + 1) + 1> text{};
    const int length = EVP_EncodeBlock(text.data(), hash.data(), static_cast<int>(size));
    std::string id{credentials.substr(0, credentials.find(':'))};
    id += ':';
    for (int i = 0; i < length; ++i) {
        id += static_cast<char>(text[static_cast<std::size_t>(i)]);
    }
    return id;
}

std::expected<acl, zk_error> resolve_acl(const acl& wanted, std::span<const identity> who) {
    stored_acl stored;
    boost::unordered_flat_set<const acl_entry*, entry_hash, same_entry> seen;
    for (const acl_entry& entry : wanted) {
        if (!stored.fits()) {
            return std::unexpected{zk_error::invalid_acl};
        }
        if (!seen.insert(&entry).second) {
            continue;
        }
        if (is_anyone(entry)) {
            stored.add(entry);
        } else if (entry.scheme == "auth") {
            bool proven = false;
            for (const identity& one : who) {
                if (one.scheme == "digest") {
                    proven = true;
                    stored.add(acl_entry{entry.permissions, one.scheme, one.id});
                }
            }
            if (!proven) {
                return std::unexpected{zk_error::invalid_acl};
            }
        } else if (is_well_formed(entry)) {
            stored.add(entry);
        } else {
            return std::unexpected{zk_error::invalid_acl};
        }
    }
    acl entries = stored.take();
    if (!stored.fits() || entries.empty()) {
        return std::unexpected{zk_error::invalid_acl};
    }
    return entries;
}

bool permits(const acl& access, std::int32_t wanted, std::span<const identity> who) {
    if (access.empty()) {
        return true;
    }
    return std::ranges::any_of(access, [&](const acl_entry& entry) {
        return (entry.permissions & wanted) != 0 &&
               (is_anyone(entry) ||
                std::ranges::any_of(who, [&](const identity& one) { return matches(one, entry); }));
    });
}

}  // namespace muster::zookeeper
