// What was read from a file of keys, and is read again when the file has changed: looked at once a second at most, when it is
// needed. A file that cannot be used leaves in force what was read before, and is logged.
//
// Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "common/auth/file_watch.h"
#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {

template <typename Value>
class WatchedFile {
 public:
  // Of the file at `path`. nullptr: it cannot be used, and `*wrong` is a sentence.
  using Reader = std::function<std::shared_ptr<const Value>(const std::string& path, std::string* wrong)>;
  struct Words {
    std::string read_again;  // for the log: "the keys of api-key-file were read again"
    std::string kept;        // "the keys that were read before stay in force"
  };

  // nullptr: as `read` says.
  static std::unique_ptr<const WatchedFile> Open(const std::string& path, Words words, Reader read,
                                                 std::string* wrong) {
    FileWatch watch(path);  // before it is read, so that what changes meanwhile is seen
    auto value = read(path, wrong);
    if (value == nullptr) return nullptr;
    return std::unique_ptr<const WatchedFile>(
        new WatchedFile(path, std::move(words), std::move(read), std::move(watch), std::move(value)));
  }

  std::shared_ptr<const Value> Current() const {
    const std::lock_guard lock(mutex_);
    const int64_t now_ms = SteadyMs();
    if (now_ms < looked_ms_ + kFileLookIntervalMs) return value_;
    looked_ms_ = now_ms;
    if (!watch_.Changed()) return value_;
    std::string wrong;
    if (auto value = read_(path_, &wrong)) {
      value_ = std::move(value);
      SPDLOG_INFO("{}", words_.read_again);
    } else {
      SPDLOG_WARN("{}; {}", wrong, words_.kept);
    }
    return value_;
  }

 private:
  WatchedFile(std::string path, Words words, Reader read, FileWatch watch, std::shared_ptr<const Value> value)
      : path_(std::move(path)),
        words_(std::move(words)),
        read_(std::move(read)),
        watch_(std::move(watch)),
        looked_ms_(SteadyMs()),
        value_(std::move(value)) {}

  const std::string path_;
  const Words words_;
  const Reader read_;
  mutable std::mutex mutex_;  // guards what follows
  mutable FileWatch watch_;
  mutable int64_t looked_ms_;  // steady clock
  mutable std::shared_ptr<const Value> value_;
};

}  // namespace dormouse
