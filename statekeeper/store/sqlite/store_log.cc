#include "statekeeper/store/sqlite/store_log.h"

#include <endian.h>

#include <cstring>
#include <utility>

namespace dormouse {
namespace {

// See https://www.sqlite.org/fileformat2.html#walformat: all numbers are big-endian.
constexpr int kHeaderBytes = 32;
constexpr int kFrameHeaderBytes = 24;
constexpr size_t kPageSizeAt = 8;
constexpr size_t kBeginningAt = 12;  // counts them
constexpr size_t kSaltsAt = 16;
constexpr size_t kFrameSaltsAt = 8;
constexpr size_t kSaltsBytes = 8;

// As SQLite's own hook has it.
constexpr uint32_t kCheckpointFrames = 1'000;

uint32_t NumberAt(const std::string& bytes, size_t at) {
  uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof(number));
  return be32toh(number);
}

}  // namespace

void StoreLog::Watch(sqlite3* db) {
  db_ = db;
  header_.clear();
  frame_.clear();
  frames_ = 0;
  is_stored_ = false;
  is_broken_ = false;
  sqlite3_wal_hook(db, &StoreLog::OnCommit, this);
}

int StoreLog::OnCommit(void* self, sqlite3* db, const char* schema, int frames) {
  static_cast<StoreLog*>(self)->Note(db, schema, static_cast<uint32_t>(frames));
  return SQLITE_OK;
}

void StoreLog::Note(sqlite3* db, const char* schema, uint32_t frames) {
  std::string header = Read(0, kHeaderBytes);
  is_broken_ = is_broken_ || header.empty() || !(header == header_ ? IsAsLeft() : IsNextHeader(header));
  if (is_broken_) return;
  header_ = std::move(header);
  frames_ = frames;
  frame_ = LastFrame(frames);
  is_stored_ = false;
  is_broken_ =
      frame_.empty() || frame_.compare(kFrameSaltsAt, kSaltsBytes, header_, kSaltsAt, kSaltsBytes) != 0;
  if (is_broken_ || frames < kCheckpointFrames) return;
  int all = 0;
  int stored = 0;
  is_stored_ = sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, &all, &stored) == SQLITE_OK &&
               all == stored;
}

bool StoreLog::IsWhole() const { return !is_broken_ && (header_.empty() || IsAsLeft()); }

bool StoreLog::IsSpare() const {
  const std::string header = Read(0, kHeaderBytes);
  return is_stored_ && !is_broken_ && (header.empty() || header == header_);
}

// It may have been begun anew for a transaction that then was taken back.
bool StoreLog::IsAsLeft() const {
  const std::string header = Read(0, kHeaderBytes);
  return header == header_ ? LastFrame(frames_) == frame_ : IsNextHeader(header);
}

bool StoreLog::IsNextHeader(const std::string& header) const {
  if (header.empty()) return false;
  if (header_.empty()) return true;
  return is_stored_ && NumberAt(header, kBeginningAt) == NumberAt(header_, kBeginningAt) + 1 &&
         NumberAt(header, kSaltsAt) == NumberAt(header_, kSaltsAt) + 1;
}

std::string StoreLog::LastFrame(uint32_t frames) const {
  const int64_t frame_bytes = kFrameHeaderBytes + int64_t{NumberAt(header_, kPageSizeAt)};
  return Read(kHeaderBytes + (int64_t{frames} - 1) * frame_bytes, kFrameHeaderBytes);
}

std::string StoreLog::Read(int64_t from, int bytes) const {
  sqlite3_file* log = nullptr;
  if (sqlite3_file_control(db_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK || log == nullptr ||
      log->pMethods == nullptr) {
    return {};
  }
  std::string read(static_cast<size_t>(bytes), '\0');
  return log->pMethods->xRead(log, read.data(), bytes, from) == SQLITE_OK ? read : std::string();
}

}  // namespace dormouse
