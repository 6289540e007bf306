// The keys with which backends come to a gateway's port for them (option api-key-file). A file has one in each line, KEY or
// NAME:KEY, of at least 32 characters; empty lines and those that begin with # are passed over. So a key is replaced
// without a gap: add the new one, change the backends, take the old one out.
//
// A file that changes is read again (watched_file.h). Of keys only hashes are kept.
//
// Any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/auth/watched_file.h"

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
  using File = WatchedFile<Keys>;
  explicit ApiKeys(std::unique_ptr<const File> file) : file_(std::move(file)) {}
  static std::shared_ptr<const Keys> ReadKeys(const std::string& option, const std::string& path,
                                              std::string* wrong);

  const std::unique_ptr<const File> file_;
};

}  // namespace dormouse
