// An app directory as one piece: its files, compressed, in an order and form that depend on nothing but the files.
// It is named after its content, and what is unpacked is what was packed.
//
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dormouse {

// Of a bundle that may be packed or unpacked; more is refused.
struct BundleLimits {
  uint64_t bytes = 32u << 20;      // compressed
  uint64_t unpacked = 128u << 20;  // with the names of its files
  size_t files = 10'000;
};
constexpr size_t kBundleChunk = 256u << 10;  // bytes of a row, and of a message

// How many chunks that is.
inline uint32_t BundleChunks(uint64_t bytes) {
  return static_cast<uint32_t>((bytes + kBundleChunk - 1) / kBundleChunk);
}
// SHA-256; and what a version is called by it.
inline constexpr size_t kBundleHashBytes = 32;
std::string BundleHash(std::string_view bundle);
std::string BundleName(std::string_view hash);

// The regular files below a directory. Empty: `*error` is a sentence. Links are followed once, at the directory
// itself; others, sockets and the like are refused.
std::string PackBundle(const std::string& directory, const BundleLimits& limits, std::string* error);

// Into a directory that is not there yet, for this user alone. False: `*error` is a sentence, and what there is of it
// may be removed. No file gets beyond the directory, whatever a bundle says.
bool UnpackBundle(std::string_view bundle, const std::string& directory, const BundleLimits& limits,
                  std::string* error);

}  // namespace dormouse
