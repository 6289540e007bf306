#include "common/auth/private_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace dormouse {
namespace {

// What keeps it from being made private. Empty: it is.
std::string WhyNotPrivate(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code failed;
  std::filesystem::create_directories(parent, failed);
  if (failed) return failed.message();
  if (mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) return std::generic_category().message(errno);
  struct stat info {};
  // In a directory like /tmp (sticky) nobody can replace what is another's.
  if (stat(parent.c_str(), &info) != 0) return std::generic_category().message(errno);
  if ((info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0) {
    return fmt::format("everybody can write to {}", parent.string());
  }
  // By descriptor, so that all of this is about the same directory.
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == ELOOP || errno == ENOTDIR ? "it is no directory" : std::generic_category().message(errno);
  std::string why;
  if (fstat(fd, &info) != 0) {
    why = std::generic_category().message(errno);
  } else if (info.st_uid != geteuid()) {
    why = "it is another user's";
  } else if ((info.st_mode & 07777) != S_IRWXU && fchmod(fd, S_IRWXU) != 0) {
    why = std::generic_category().message(errno);
  }
  close(fd);
  return why;
}

}  // namespace

bool MakePrivateDirectory(const std::string& path, std::string* wrong) {
  const std::string why = WhyNotPrivate(path);
  if (why.empty()) return true;
  *wrong = fmt::format("cannot create {} for this user alone: {}; choose another directory with --data", path,
                       why);
  return false;
}

}  // namespace dormouse
