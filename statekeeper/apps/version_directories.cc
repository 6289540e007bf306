#include "statekeeper/apps/version_directories.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "common/auth/private_directory.h"

namespace dormouse {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKept = 3;

// -1: it is somebody's, or not there. `how`: as of flock.
int Lock(const std::string& path, int how) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  int locked = -1;
  do {
    locked = flock(fd, how);
  } while (locked != 0 && errno == EINTR);
  if (locked == 0) return fd;
  close(fd);
  return -1;
}

void RemoveLeftOver(const std::string& parent) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(parent, failed)) {
    const int lock = Lock(entry.path(), LOCK_EX | LOCK_NB);
    if (lock < 0) continue;
    VersionDirectories::Remove(entry.path());
    close(lock);
  }
}

}  // namespace

std::unique_ptr<VersionDirectories> VersionDirectories::Make(const std::string& parent,
                                                             const std::string& name, std::string* error) {
  if (!MakePrivateDirectory(parent, error)) return nullptr;
  // One that starts at a time: another would take for left over what is made, but not locked yet.
  const int turn = Lock(parent, LOCK_EX);
  RemoveLeftOver(parent);
  const std::string path = parent + "/" + name;
  int lock = -1;
  if (MakePrivateDirectory(path, error)) {
    lock = Lock(path, LOCK_EX | LOCK_NB);
    if (lock < 0) *error = fmt::format("{} cannot be locked: {}", path, std::strerror(errno));
  }
  close(turn);
  if (lock < 0) return nullptr;
  return std::unique_ptr<VersionDirectories>(new VersionDirectories(path, lock));
}

VersionDirectories::~VersionDirectories() {
  Remove(path_);
  close(lock_);
}

std::string VersionDirectories::New(const std::string& version) {
  return fmt::format("{}/{}-{}", path_, version, ++made_);
}

void VersionDirectories::Keep(const std::string& path) {
  kept_.push_back(path);
  while (kept_.size() > kKept) {
    Remove(kept_.front());
    kept_.pop_front();
  }
}

void VersionDirectories::Remove(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace dormouse
