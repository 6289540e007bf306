// SQLite's write-ahead log as this process has left it, read back through the file that SQLite has open itself:
// whoever truncates or overwrites it in place takes what was acknowledged, and SQLite, which remembers where the
// log ends, would go on writing behind a hole.
//
// Compared are its header (whose salts are new whenever SQLite begins it anew) and the header of its last frame
// (whose checksum is of all frames before). So what is cut off is found out whenever it happens, also while this
// process is writing; other bytes in the middle are what the times of StoreFile are for.
//
// It puts the log into the file, too, in place of SQLite's own hook: never one that is not whole.
//
// One thread.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>

namespace dormouse {

class StoreLog {
 public:
  StoreLog() = default;
  StoreLog(const StoreLog&) = delete;
  StoreLog& operator=(const StoreLog&) = delete;

  // Of a connection that was just opened; before its first change. It is that until the next.
  void Watch(sqlite3* db);

  // False: somebody else has written to it, now or before one of the commits so far.
  bool IsWhole() const;
  // All that is in it is in the file, too, and it is this process' own, or what is left of that.
  bool IsSpare() const;

 private:
  static int OnCommit(void* self, sqlite3* db, const char* schema, int frames);
  void Note(sqlite3* db, const char* schema, uint32_t frames);
  // Empty: it is shorter.
  std::string Read(int64_t from, int bytes) const;
  std::string LastFrame(uint32_t frames) const;
  bool IsAsLeft() const;
  // Whether SQLite itself has begun it anew, or for the first time, with this header.
  bool IsNextHeader(const std::string& header) const;

  sqlite3* db_ = nullptr;
  std::string header_;      // empty: there was no commit yet
  std::string frame_;       // the last one's header
  uint32_t frames_ = 0;     // in it
  bool is_stored_ = false;  // all of them are in the file, too
  bool is_broken_ = false;
};

}  // namespace dormouse
