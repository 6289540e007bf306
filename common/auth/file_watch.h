// Says when a file is another one than before, by what the file system knows of it: also when a symbolic link
// on its path leads elsewhere, as Kubernetes changes the files of a Secret.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

namespace dormouse {

// How often files of keys are looked at, at most.
inline constexpr int64_t kFileLookIntervalMs = 1'000;

// One thread at a time.
class FileWatch {
 public:
  // Takes the file as it is now for known. An empty path never changes.
  explicit FileWatch(std::string path) : path_(std::move(path)), known_(Look()) {}

  // Whether it changed, came or went since it was asked last. One stat().
  bool Changed();

 private:
  using Stamp = std::tuple<uint64_t, uint64_t, int64_t, int64_t, int64_t>;  // device, inode, size, mtime
  Stamp Look() const;

  const std::string path_;
  Stamp known_;
};

}  // namespace dormouse
