// What was read from a file of keys, or from several that belong together, and is read again when one of them has changed:
// looked at once a second at most, when it is needed. What cannot be used leaves in force what was read before, and is logged.
//
// Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/auth/file_watch.h"
#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {

template <typename Value>
class WatchedFile {
 public:
  // nullptr: what is there cannot be used, and `*wrong` is a sentence.
  using Reader = std::function<std::shared_ptr<const Value>(std::string* wrong)>;
  struct Words {
    std::string read_again;  // for the log: "the keys of api-key-file were read again"
    std::string kept;        // "the keys that were read before stay in force"
  };

  // Of the files at `paths`; an empty one never changes. nullptr: as `read` says.
  static std::unique_ptr<const WatchedFile> Open(const std::vector<std::string>& paths, Words words,
                                                 Reader read, std::string* wrong) {
    // Before they are read, so that what changes meanwhile is seen.
    std::vector<FileWatch> watches(paths.begin(), paths.end());
    auto value = read(wrong);
    if (value == nullptr) return nullptr;
    return std::unique_ptr<const WatchedFile>(
        new WatchedFile(std::move(words), std::move(read), std::move(watches), std::move(value)));
  }

  std::shared_ptr<const Value> Current() const {
    const std::lock_guard lock(mutex_);
    const int64_t now_ms = SteadyMs();
    if (now_ms < looked_ms_ + kFileLookIntervalMs) return value_;
    looked_ms_ = now_ms;
    bool changed = false;
    for (FileWatch& watch : watches_) changed |= watch.Changed();
    if (changed) Read();
    return value_;
  }

  // Reads them now, whether they have changed or not.
  void ReadAgain() const {
    const std::lock_guard lock(mutex_);
    for (FileWatch& watch : watches_) watch.Changed();
    Read();
  }

 private:
  WatchedFile(Words words, Reader read, std::vector<FileWatch> watches, std::shared_ptr<const Value> value)
      : words_(std::move(words)),
        read_(std::move(read)),
        watches_(std::move(watches)),
        looked_ms_(SteadyMs()),
        value_(std::move(value)) {}

  // With the mutex held.
  void Read() const {
    std::string wrong;
    if (auto value = read_(&wrong)) {
      value_ = std::move(value);
      SPDLOG_INFO("{}", words_.read_again);
    } else {
      SPDLOG_WARN("{}; {}", wrong, words_.kept);
    }
  }

  const Words words_;
  const Reader read_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::vector<FileWatch> watches_;
  mutable int64_t looked_ms_;  // steady clock
  mutable std::shared_ptr<const Value> value_;
};

}  // namespace dormouse
