#pragma once

/// @file
/// Frames: what travels on a connection after the eight bytes that open it.
///
///     0        4      5       6          8        16       20
///     | length | type | flags | reserved | id     | crc32c | body ...
///
/// Little-endian. `length` counts the body; the checksum covers all before it and the body.

#include "muster/error.hpp"
#include "muster/ids.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::mesh {

/// The first bytes of each direction: no text and no TLS record begins so. The last one is the
/// version of the frame format.
inline constexpr std::string_view preamble{"\x8dmuster\x01", 8};

inline constexpr std::size_t header_size = 20;
/// Body of a frame before the handshake has ended.
inline constexpr std::size_t max_greeting = 4096;

/// 64 to 255 are for the rooms above the mesh (`settings::frames`).
enum class frame_type : std::uint8_t {
    hello = 1,
    refusal = 2,    ///< Instead of a hello, then the connection ends.
    challenge = 3,  ///< Answers a hello where the dialler has to prove that it knows the key.
    proof = 4,      ///< Answers a challenge; the body is the proof (proof.hpp).
    heartbeat = 5,
    request = 6,  ///< Body: remaining time in microseconds (4 bytes), then the request.
    reply = 7,    ///< `id` is the request's.
    failure = 8,  ///< The same, and the body is a `failure_note`.
    confirm = 9,  ///< So many more frames of free types, `id`, have been taken.
};
inline constexpr std::uint8_t first_free_type = 64;

/// A receiver that does not know the type passes over the frame instead of hanging up.
inline constexpr std::uint8_t flag_optional = 1;
/// A run: what would have been several frames of that free type, all beginning with the same bytes.
///
///     | lead's length | lead | length | rest of the first | length | rest of the second | ...
///       2                      4                            4
///
/// `id` says how many they are. Sent only to whom `feature_runs` was agreed upon with.
inline constexpr std::uint8_t flag_run = 2;

struct frame {
    frame_type type{};
    std::uint8_t flags = 0;
    std::uint64_t id = 0;
    std::string_view body;
};

/// Appends one whole frame; its body is `lead` followed by `body`.
void append_frame(std::string& out,
                  frame_type type,
                  std::uint64_t id,
                  std::string_view body,
                  std::string_view lead = {},
                  std::uint8_t flags = 0);

/// What its sender keeps of a frame of a free type until it is confirmed.
struct posted {
    std::uint8_t type = 0;
    std::uint32_t count = 1;  ///< More than one in a run.
    std::array<char, 32> note{};
};
[[nodiscard]] posted note_of(std::uint8_t type,
                             std::string_view lead,
                             std::string_view body) noexcept;

/// How many they were.
[[nodiscard]] std::uint64_t total_of(const std::vector<posted>& frames) noexcept;

/// What a run still has room for is for the next one: whoever reads it begins when all of it is
/// there.
inline constexpr std::size_t longest_run = 8U << 10U;

/// The last frame of a buffer, which goes on as long as what follows begins with the same bytes.
/// Nothing else is appended, and nothing of it is sent, before it is closed.
class open_run {
public:
    /// Whether one more went into it: there is one, of that type and lead, with room.
    [[nodiscard]] bool append(std::string& out,
                              std::uint8_t type,
                              std::string_view lead,
                              std::string_view body);
    /// Begins one with its first; there is none open.
    void begin(std::string& out, std::uint8_t type, std::string_view lead, std::string_view body);
    void close(std::string& out);
    [[nodiscard]] bool is_open() const noexcept { return count_ != 0; }

private:
    std::size_t begin_ = 0;  ///< Where in the buffer its header is.
    std::size_t lead_ = 0;   ///< Its length.
    std::uint64_t count_ = 0;
    std::uint8_t type_ = 0;
};

/// A run as it was read.
struct run_body {
    std::string_view lead;
    std::string_view rest;  ///< Taken apart by `next_of_run`.
};
/// Nothing: it is none of `count`, or longer than `longest_run`.
[[nodiscard]] std::optional<run_body> read_run(std::string_view body, std::uint64_t count) noexcept;
/// Takes the first one off; there is one.
[[nodiscard]] std::string_view next_of_run(std::string_view& rest) noexcept;

enum class parsed : std::uint8_t { whole, partial, broken };

struct parse_outcome {
    parsed what = parsed::partial;
    std::size_t size = 0;       ///< Of the whole frame with its header, when that is known.
    const char* why = nullptr;  ///< What is broken.
};

/// Reads the frame at the start of `input`. `into.body` points into `input`.
[[nodiscard]] parse_outcome parse_frame(std::string_view input, std::size_t max_body, frame& into);

/// Of `hello::features`: its sender has the cluster's key, and connects to nobody without it.
inline constexpr std::uint64_t feature_authentication = 1;
/// Its sender takes frames with `flag_run`, whose bodies are at most `longest_run`.
inline constexpr std::uint64_t feature_runs = 2;

/// Body of `hello`. Sent by the dialling side first, then by the other.
struct hello {
    std::uint32_t least_version = 1;  ///< Of the protocol spoken in frames.
    std::uint32_t version = 1;
    std::uint64_t features = 0;
    std::string cluster;
    member_id self;          ///< empty: a client
    member_id expected;      ///< Whom the dialler wants; empty: whoever is there.
    std::uint64_t dial = 0;  ///< Numbers the dialler's connections.
    /// The newest connection dialled by the other side that the dialler has had: one it had, and
    /// dials in spite of, it has lost.
    std::uint64_t seen = 0;
    std::string nonce;  ///< New for each connection; empty without authentication.
    member_id life;     ///< Of the program that greets; empty where it does not say.
    std::string name;   ///< Its member's.
};

/// Body of `challenge`.
struct challenge_note {
    std::string greeting;  ///< Its sender's hello, encoded: the proofs are made of its bytes.
    std::string proof;     ///< Its sender's.
};

/// Body of `refusal`.
struct refusal_note {
    std::string code;  ///< As `name_of(errc)` writes it.
    std::string text;
    bool duplicate = false;  ///< The other side's own connection is about to be there.
};

/// Body of `failure`.
struct failure_note {
    std::string code;
    std::string text;
};

/// The code of that name; `incompatible` where this version knows none.
[[nodiscard]] errc code_named(std::string_view name) noexcept;

}  // namespace muster::mesh
