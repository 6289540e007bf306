#include "statekeeper/store/sqlite/store_file.h"

#include <sys/stat.h>
#include <unistd.h>

namespace dormouse {
namespace {

constexpr int64_t kStillMs = 500;

}  // namespace

std::optional<StoreFile::Identity> StoreFile::IdentityOf(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return Identity{status.st_dev, status.st_ino, status.st_size,
                  status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

void StoreFile::Remember() {
  file_ = IdentityOf(path_);
  log_ = IdentityOf(log_path_);
  seen_since_ms_ = 0;
}

StoreFile::Change StoreFile::FindChange() const {
  const std::optional<Identity> file = IdentityOf(path_);
  if (!file) return Change::kRemoved;
  if (!file_ || !file->IsFile(*file_)) return Change::kReplaced;
  if (*file != *file_) return Change::kWritten;
  if (!log_) return Change::kNone;
  const std::optional<Identity> log = IdentityOf(log_path_);
  if (!log || !log->IsFile(*log_)) return Change::kLogGone;
  return *log == *log_ ? Change::kNone : Change::kLogWritten;
}

bool StoreFile::RememberWrite() {
  const std::optional<Identity> file = IdentityOf(path_);
  if (!file || !file_ || !file->IsFile(*file_)) return false;
  const std::optional<Identity> log = IdentityOf(log_path_);
  if (log_ && !(log && log->IsFile(*log_))) return false;
  file_ = file;
  log_ = log;
  return true;
}

void StoreFile::DropOwnLog() const {
  if (log_ && IdentityOf(log_path_) == log_) unlink(log_path_.c_str());
}

void StoreFile::DropSpareLog() const {
  const std::optional<Identity> log = IdentityOf(log_path_);
  if (log && log_ && log->IsFile(*log_)) unlink(log_path_.c_str());
}

bool StoreFile::IsStill(int64_t steady_ms) {
  const std::optional<Identity> now = IdentityOf(path_);
  const std::optional<Identity> log = IdentityOf(log_path_);
  if (seen_since_ms_ == 0 || now != seen_ || log != seen_log_) {
    seen_ = now;
    seen_log_ = log;
    seen_since_ms_ = steady_ms;
  }
  return steady_ms - seen_since_ms_ >= kStillMs;
}

}  // namespace dormouse
