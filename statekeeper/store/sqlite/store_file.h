// Whether the file at a path is still the one that this process has opened, and has been written by nobody
// else: it may be removed, replaced by a backup, or overwritten in place under a process that would go on
// writing where nobody will ever look. The same for SQLite's write-ahead log beside it (store_log.h says what
// that holds).
//
// A look costs two system calls. Plain data; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dormouse {

class StoreFile {
 public:
  explicit StoreFile(std::string path) : path_(std::move(path)), log_path_(path_ + "-wal") {}

  const std::string& path() const { return path_; }

  // They are as this process has left them.
  void Remember();
  enum class Change {
    kNone,
    kLogGone,     // the log alone was removed or replaced: all that was in it can still be put into the file
    kLogWritten,  // somebody else has written to it, or cut it off
    kRemoved,     // the file was
    kReplaced,    // another one is there
    kWritten,     // somebody else has written to it
  };
  Change FindChange() const;
  // After a write of one's own, which changes sizes and times. False: it cannot be found at the path.
  bool RememberWrite();

  // Removes the log if it is the one of Remember: it is of a file that is there no more.
  void DropOwnLog() const;
  // Removes it if it is that file, whatever was done to it.
  void DropSpareLog() const;
  // Whether what is there has been the same for a while: nobody is still copying it.
  bool IsStill(int64_t steady_ms);

 private:
  struct Identity {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t size = 0;
    int64_t written_ns = 0;
    bool IsFile(const Identity& other) const { return device == other.device && inode == other.inode; }
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  static std::optional<Identity> IdentityOf(const std::string& path);

  const std::string path_;
  const std::string log_path_;
  std::optional<Identity> file_;
  std::optional<Identity> log_;
  std::optional<Identity> seen_;  // by IsStill
  std::optional<Identity> seen_log_;
  int64_t seen_since_ms_ = 0;  // 0: it has not looked
};

}  // namespace dormouse
