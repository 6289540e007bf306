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
constexpr int kMakingTries = 10;

// -1: it is somebody's, or not there.
int Lock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

bool IsAt(int fd, const std::string& path) {
  struct stat held {};
  struct stat there {};
  return fstat(fd, &held) == 0 && stat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino;
}

void RemoveLeftOver(const std::string& parent) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(parent, failed)) {
    const int lock = Lock(entry.path());
    if (lock < 0) continue;
    VersionDirectories::Remove(entry.path());
    close(lock);
  }
}

}  // namespace

std::unique_ptr<VersionDirectories> VersionDirectories::Make(const std::string& parent,
                                                             const std::string& name, std::string* error) {
  if (!MakePrivateDirectory(parent, error)) return nullptr;
  RemoveLeftOver(parent);
  const std::string path = parent + "/" + name;
  // Another that starts may have taken it for left over before it was locked.
  for (int tried = 0; tried < kMakingTries; ++tried) {
    if (!MakePrivateDirectory(path, error)) return nullptr;
    const int lock = Lock(path);
    if (lock >= 0 && IsAt(lock, path))
      return std::unique_ptr<VersionDirectories>(new VersionDirectories(path, lock));
    if (lock >= 0) close(lock);
  }
  *error = fmt::format("{} cannot be locked: {}", path, std::strerror(errno));
  return nullptr;
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
