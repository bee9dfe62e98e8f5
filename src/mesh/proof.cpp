#include "mesh/proof.hpp"

#include "base/check.hpp"
#include "mesh/frame.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <span>

namespace muster::mesh {
namespace {

/// With its length, so that no two pairs of texts make the same bytes.
void append_sized(std::string& out, std::string_view bytes) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
        out.push_back(static_cast<char>(bytes.size() >> shift));
    }
    out.append(bytes);
}

}  // namespace

std::string proof_of(std::string_view key,
                     prover who,
                     std::string_view dialler_hello,
                     std::string_view acceptor_hello) {
    std::string what{who == prover::dialler ? "muster mesh: dialler" : "muster mesh: acceptor"};
    append_sized(what, preamble);
    append_sized(what, dialler_hello);
    append_sized(what, acceptor_hello);
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned size = 0;
    const unsigned char* const made = HMAC(EVP_sha256(),
                                           key.data(),
                                           static_cast<int>(key.size()),
                                           reinterpret_cast<const unsigned char*>(what.data()),
                                           what.size(),
                                           mac.data(),
                                           &size);
    MUSTER_ASSERT(made != nullptr, "the library has SHA-256");
    return {reinterpret_cast<const char*>(mac.data()), size};
}

bool is_same_proof(std::string_view one, std::string_view other) noexcept {
    return one.size() == other.size() && !one.empty() &&
           CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

std::string fresh_nonce(runtime::loop& from) {
    std::string nonce(nonce_size, '\0');
    from.random_bytes(std::as_writable_bytes(std::span{nonce}));
    return nonce;
}

}  // namespace muster::mesh
