// The keys with which backends come to a gateway's port for them (option api-key-file). A file has one in each line, KEY or
// NAME:KEY, of at least 32 characters; empty lines and those that begin with # are passed over. So a key is replaced
// without a gap: add the new one, change the backends, take the old one out.
//
// The file is looked at once a second at most, when it is needed, and read again when it has changed. One that cannot be
// used leaves those in force that were read before, and is logged. Of keys only hashes are kept.
//
// Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/auth/file_watch.h"

namespace dormouse {

class ApiKeys {
 public:
  // `option`: under which the user named the file, without dashes. nullptr: `*wrong` is a sentence that names both.
  static std::unique_ptr<const ApiKeys> Read(const std::string& option, const std::string& path,
                                             std::string* wrong);

  // What the key is called: its name, or "line N". Nothing: it is none of them. Takes as long for any that is wrong.
  std::optional<std::string> NameOf(std::string_view key) const;

 private:
  struct Key {
    std::string name;
    std::string hash;
  };
  using Keys = std::vector<Key>;
  ApiKeys(std::string option, std::string path, FileWatch watch, Keys keys);
  static std::optional<Keys> ReadKeys(const std::string& option, const std::string& path, std::string* wrong);
  std::shared_ptr<const Keys> Current() const;

  const std::string option_;
  const std::string path_;
  mutable std::mutex mutex_;  // guards what follows
  mutable FileWatch watch_;
  mutable int64_t looked_ms_;  // steady clock
  mutable std::shared_ptr<const Keys> keys_;
};

}  // namespace dormouse
