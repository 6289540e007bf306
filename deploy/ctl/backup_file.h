// A backup file. Whole and settled, or refused with a sentence: it is never read beyond its first damage.
//
//   "DORMOUSE backup\n"  version (4 bytes)  record...
//   record:  length (4)  CRC-32 of what follows (4)  kind (1)  message of `length` bytes
//
// Numbers are little-endian; messages are those of proto/backup.proto. The first record is the header ('H'),
// then come chunks ('C'), the last is the end ('E'), which has the SHA-256 of all before it; nothing follows.
// Parts of hubs are small: a record has at most 64 MiB. The version goes up with a change that an older
// program would misread; a reader takes all that are not above its own. Version 2 has the versions of an app before
// the hubs; a file without any is of version 1, which more programs read.
//
// A file that is being written has the name FILE.part. It is made FILE when it is whole and on the disk; one
// that was left behind is gone on with, from the last record at which no hub was half written.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "deploy/ctl/failure.h"
#include "proto/backup.pb.h"

namespace dormouse {

inline constexpr uint32_t kBackupVersion = 2;

// What is in it so far.
struct BackupCount {
  uint64_t hubs = 0;
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  std::string Digest() const;  // of what was added so far

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using OwnedFile = std::unique_ptr<std::FILE, CloseFile>;

// The file ends before its end.
class CutOff : public Failure {
 public:
  using Failure::Failure;
};

// Reads from the beginning to the end. Throws a Failure where the file is none, or damaged.
class BackupReader {
 public:
  explicit BackupReader(const std::string& path);

  const backup::FileHeader& header() const { return header_; }
  // False: that was the last one, and all that was read is what was written.
  bool Next(backup::Chunk* chunk);
  const BackupCount& count() const { return count_; }
  // After the last one.
  const backup::FileEnd& end() const { return end_; }
  // Of the app, once its chunk was read; nothing is in it where there is none.
  const app::Record& app() const { return app_; }
  // Where the next record begins; and whether no hub, and no app, is half read there.
  uint64_t offset() const { return offset_; }
  bool settled() const { return open_hub_.empty() && !IsAppOpen(); }

 private:
  enum class Found { kRecord, kNothing, kCutOff, kDamaged };
  Found ReadRecord(char* kind, std::string* message);
  void Count(const backup::Chunk& chunk);
  void CountApp(const backup::Chunk& chunk);
  bool IsAppOpen() const { return app_versions_ < app_.versions_size(); }
  [[noreturn]] void Fail(const std::string& what) const;
  [[noreturn]] void FailFor(Found found) const;

  friend class BackupWriter;

  const std::string path_;
  OwnedFile file_;
  Sha256 hash_;
  uint64_t offset_ = 0;
  backup::FileHeader header_;
  backup::FileEnd end_;
  BackupCount count_;
  std::string open_hub_;
  uint32_t version_ = 0;  // of the format
  app::Record app_;
  int app_versions_ = 0;    // of it that were read
  uint64_t app_bytes_ = 0;  // of the next one
  std::optional<Sha256> app_hash_;
};

class BackupWriter {
 public:
  // Goes on with FILE.part where there is one, unless `afresh`, or that has no place for an app and there is one to
  // come (`has_app`). `header`: of a new one, and what an old one has to agree with. Throws a Failure where it cannot be made, is of something else, or FILE is there.
  BackupWriter(const std::string& path, const backup::FileHeader& header, bool has_app, bool afresh);

  // Where to go on; of a new file, before the first shard.
  struct Place {
    bool resumed = false;
    bool has_app = false;  // it is there already
    uint32_t shard = 0;
    std::string after;  // of the shard; empty: before its first hub
  };
  const Place& place() const { return place_; }
  const BackupCount& count() const { return count_; }

  void Add(const backup::Chunk& chunk);
  // Drops what was added of the hub, or app, that is half written.
  void DropOpen();
  // FILE is whole, and there.
  void Finish(int64_t now_ms);

 private:
  bool Resume(const backup::FileHeader& header, bool has_app);
  void Begin(const backup::FileHeader& header, bool has_app);
  void Write(std::string_view bytes);
  void WriteRecord(char kind, const google::protobuf::MessageLite& message);
  void Truncate();
  void Sync();

  const std::string path_;
  const std::string part_;
  OwnedFile file_;
  Place place_;
  BackupCount count_;
  bool open_ = false;            // a hub, or the app, is half written
  uint64_t app_left_ = 0;        // bytes of it that are to come
  uint64_t offset_ = 0;          // of the file's end
  uint64_t settled_offset_ = 0;  // where no hub was half written
  BackupCount settled_count_;
  uint64_t unsynced_ = 0;
};

// Reads it all, and throws a Failure where anything is wrong with it. `progress`: now and then.
struct BackupSummary {
  backup::FileHeader header;
  backup::FileEnd end;
  uint64_t size = 0;
  app::Record app;
};
BackupSummary VerifyBackup(const std::string& path);

}  // namespace dormouse
