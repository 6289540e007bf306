#include "common/auth/file_watch.h"

#include <sys/stat.h>

namespace dormouse {

bool FileWatch::Changed() {
  const Stamp now = Look();
  return std::exchange(known_, now) != now;
}

FileWatch::Stamp FileWatch::Look() const {
  struct stat info {};
  if (path_.empty() || stat(path_.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

}  // namespace dormouse
