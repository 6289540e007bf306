// Where a statekeeper unpacks versions: a directory of its own beside those of others that share the data directory. It
// goes with the process; what a killed one has left is removed by the next that starts.
//
// One thread.
#pragma once

#include <deque>
#include <memory>
#include <string>

namespace dormouse {

class VersionDirectories {
 public:
  // Below `parent`, which is made. nullptr: `*error` is a sentence.
  static std::unique_ptr<VersionDirectories> Make(const std::string& parent, const std::string& name,
                                                  std::string* error);
  ~VersionDirectories();
  VersionDirectories(const VersionDirectories&) = delete;
  VersionDirectories& operator=(const VersionDirectories&) = delete;

  // A path that nothing is at yet.
  std::string New(const std::string& version);
  // It is in use now; of those that were before, the last few stay for workers that have not ended.
  void Keep(const std::string& path);
  static void Remove(const std::string& path);

 private:
  VersionDirectories(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  const std::string path_;
  const int lock_;  // held on the directory for as long as it is somebody's
  int made_ = 0;
  std::deque<std::string> kept_;
};

}  // namespace dormouse
