#include "deploy/ctl/backup_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace dormouse {
namespace {

constexpr std::string_view kMagic = "DORMOUSE backup\n";
constexpr size_t kPreamble = kMagic.size() + 4;
constexpr size_t kRecordHead = 9;
constexpr uint32_t kMaxMessage = 64u << 20;
constexpr uint32_t kVersionWithoutApp = 1;
constexpr uint64_t kSyncBytes = 16u << 20;
constexpr char kHeader = 'H';
constexpr char kChunk = 'C';
constexpr char kEnd = 'E';

std::string Number(uint32_t number) {
  std::string bytes(4, '\0');
  for (size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  return bytes;
}

uint32_t NumberAt(const char* at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number |= uint32_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return number;
}

uint32_t Crc(char kind, std::string_view message) {
  uLong crc = crc32(0, reinterpret_cast<const Bytef*>(&kind), 1);
  crc = crc32(crc, reinterpret_cast<const Bytef*>(message.data()), static_cast<uInt>(message.size()));
  return static_cast<uint32_t>(crc);
}

std::string ErrnoText() { return std::strerror(errno); }

// Bytes that could be read: fewer at the end of the file.
size_t ReadInto(std::FILE* file, char* into, size_t size) { return std::fread(into, 1, size, file); }

void SyncDirectoryOf(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  const int directory = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  fsync(directory);
  close(directory);
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }

void Sha256::Add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

std::string Sha256::Digest() const {
  const std::unique_ptr<EVP_MD_CTX, Free> copy(EVP_MD_CTX_new());
  EVP_MD_CTX_copy_ex(copy.get(), context_.get());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(copy.get(), digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

// --- Reading.

BackupReader::BackupReader(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "rbe")) {
  if (file_ == nullptr && errno == ENOENT)
    throw Failure(Exit::kFailed, fmt::format("There is no file {}.", path));
  if (file_ == nullptr)
    throw Failure(Exit::kFailed, fmt::format("{} cannot be read: {}.", path, ErrnoText()));
  std::string preamble(kPreamble, '\0');
  preamble.resize(ReadInto(file_.get(), preamble.data(), preamble.size()));
  const bool whole = preamble.size() == kPreamble;
  if (!preamble.starts_with(kMagic) && !(kMagic.starts_with(preamble) && !preamble.empty()))
    throw Failure(Exit::kFailed, fmt::format("{} is not a backup of Dormouse's.", path));
  if (!whole) FailFor(Found::kCutOff);
  const uint32_t version = NumberAt(preamble.data() + kMagic.size());
  if (version == 0 || version > kBackupVersion) {
    throw Failure(
        Exit::kFailed,
        fmt::format("{} is a backup in version {} of the format, and this dormousectl ({}) reads up to "
                    "version {}: use the dormousectl of the Dormouse that took it, or a later one.",
                    path, version, DORMOUSE_VERSION, kBackupVersion));
  }
  version_ = version;
  hash_.Add(preamble);
  offset_ = preamble.size();
  char kind = 0;
  std::string message;
  const Found found = ReadRecord(&kind, &message);
  if (found != Found::kRecord) FailFor(found == Found::kNothing ? Found::kCutOff : found);
  if (kind != kHeader || !header_.ParseFromString(message)) FailFor(Found::kDamaged);
}

BackupReader::Found BackupReader::ReadRecord(char* kind, std::string* message) {
  std::array<char, kRecordHead> head{};
  const size_t read = ReadInto(file_.get(), head.data(), head.size());
  if (read == 0) return Found::kNothing;
  if (read < head.size()) return Found::kCutOff;
  const uint32_t length = NumberAt(head.data());
  *kind = head[8];
  if (length > kMaxMessage) return Found::kDamaged;
  message->resize(length);
  if (ReadInto(file_.get(), message->data(), length) < length) return Found::kCutOff;
  if (Crc(*kind, *message) != NumberAt(head.data() + 4)) return Found::kDamaged;
  if (*kind != kEnd) {
    hash_.Add({head.data(), head.size()});
    hash_.Add(*message);
  }
  offset_ += head.size() + length;
  return Found::kRecord;
}

bool BackupReader::Next(backup::Chunk* chunk) {
  char kind = 0;
  std::string message;
  const Found found = ReadRecord(&kind, &message);
  if (found != Found::kRecord) FailFor(found);
  if (kind == kChunk) {
    if (!chunk->ParseFromString(message)) FailFor(Found::kDamaged);
    Count(*chunk);
    return true;
  }
  if (kind != kEnd || !end_.ParseFromString(message) || !settled()) FailFor(Found::kDamaged);
  if (end_.sha256() != hash_.Digest()) {
    Fail(
        "its checksum is not that of its contents, though each part by itself is whole: parts were "
        "exchanged, "
        "repeated or left out");
  }
  if (end_.hubs() != count_.hubs || end_.rows() != count_.rows) FailFor(Found::kDamaged);
  char more = 0;
  if (ReadInto(file_.get(), &more, 1) != 0) Fail("something follows its end");
  return false;
}

void BackupReader::CountApp(const backup::Chunk& chunk) {
  if (chunk.has_app()) {
    if (version_ == kVersionWithoutApp || app_.versions_size() > 0 || count_.hubs > 0 || !settled() ||
        chunk.app().versions().empty())
      FailFor(Found::kDamaged);
    app_ = chunk.app();
  }
  if (!chunk.app_content().empty()) {
    if (!IsAppOpen()) FailFor(Found::kDamaged);
    const app::Version& version = app_.versions(app_versions_);
    if (!app_hash_) app_hash_.emplace();
    app_hash_->Add(chunk.app_content());
    app_bytes_ += chunk.app_content().size();
    if (app_bytes_ >= version.bytes()) {
      if (app_bytes_ > version.bytes() || app_hash_->Digest() != version.hash()) FailFor(Found::kDamaged);
      app_hash_.reset();
      app_bytes_ = 0;
      ++app_versions_;
    }
  }
  if (IsAppOpen() && !chunk.parts().empty()) FailFor(Found::kDamaged);
}

void BackupReader::Count(const backup::Chunk& chunk) {
  CountApp(chunk);
  for (const backup::HubPart& part : chunk.parts()) {
    if (part.first() != open_hub_.empty() || (!part.first() && part.hub() != open_hub_))
      FailFor(Found::kDamaged);
    open_hub_ = part.last() ? "" : part.hub();
    if (part.last()) ++count_.hubs;
    count_.rows += static_cast<uint64_t>(part.rows_size());
    for (const backup::Row& row : part.rows()) count_.bytes += row.key().size() + row.value().size();
  }
}

void BackupReader::Fail(const std::string& what) const {
  throw Failure(Exit::kFailed, fmt::format("{} is damaged: {}. Take another copy of it.", path_, what));
}

void BackupReader::FailFor(Found found) const {
  if (found == Found::kDamaged)
    Fail(fmt::format("what lies at byte {}, after {} hubs, is not what was written", offset_, count_.hubs));
  const std::string finish = path_.ends_with(".part")
                                 ? fmt::format("`dormousectl backup {}` goes on with it",
                                               path_.substr(0, path_.size() - std::strlen(".part")))
                                 : std::string("Take another copy of it");
  throw CutOff(Exit::kFailed,
               fmt::format("{} is only the beginning of a backup: it ends at byte {}, after {} "
                           "hubs. {}.",
                           path_, offset_, count_.hubs, finish));
}

BackupSummary VerifyBackup(const std::string& path) {
  BackupReader reader(path);
  backup::Chunk chunk;
  while (reader.Next(&chunk)) {
  }
  return {reader.header(), reader.end(), reader.offset(), reader.app()};
}

// --- Writing.

BackupWriter::BackupWriter(const std::string& path, const backup::FileHeader& header, bool has_app,
                           bool afresh)
    : path_(path), part_(path + ".part") {
  if (access(path.c_str(), F_OK) == 0)
    throw Failure(Exit::kFailed, fmt::format("{} is there already: name another file, or remove it.", path));
  const int file = open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) throw Failure(Exit::kFailed, fmt::format("{} cannot be written: {}.", part_, ErrnoText()));
  file_.reset(fdopen(file, "r+b"));
  if (flock(file, LOCK_EX | LOCK_NB) != 0)
    throw Failure(Exit::kFailed, fmt::format("Another dormousectl is writing {}.", part_));
  if (afresh || !Resume(header, has_app)) Begin(header, has_app);
}

bool BackupWriter::Resume(const backup::FileHeader& header, bool has_app) {
  struct stat info {};
  if (fstat(fileno(file_.get()), &info) != 0 || info.st_size == 0) return false;
  std::optional<BackupReader> reader;
  try {
    reader.emplace(part_);
  } catch (const CutOff&) {
    return false;  // not even its header is there
  }
  const backup::FileHeader& old = reader->header();
  if (old.cluster() != header.cluster() || old.shards() != header.shards() ||
      old.stored_format() != header.stored_format()) {
    throw Failure(
        Exit::kFailed,
        fmt::format("{} is the beginning of a backup of another cluster: name another file, or begin "
                    "anew with --afresh.",
                    part_));
  }
  if (has_app && reader->version_ == kVersionWithoutApp) return false;
  settled_offset_ = reader->offset();
  place_.resumed = true;
  try {
    backup::Chunk chunk;
    while (reader->Next(&chunk)) {
      if (!reader->settled()) continue;
      settled_offset_ = reader->offset();
      settled_count_ = reader->count();
      place_.has_app = reader->app().versions_size() > 0;
      place_.shard = chunk.shard_ends() ? chunk.shard() + 1 : chunk.shard();
      place_.after =
          chunk.shard_ends() || chunk.parts().empty() ? "" : chunk.parts(chunk.parts_size() - 1).hub();
    }
  } catch (const Failure&) {
    // It is gone on with as far as it is good. What was being written when it was left is not.
  }
  Truncate();
  return true;
}

void BackupWriter::Begin(const backup::FileHeader& header, bool has_app) {
  offset_ = settled_offset_ = 0;
  Truncate();
  Write(std::string(kMagic) + Number(has_app ? kBackupVersion : kVersionWithoutApp));
  WriteRecord(kHeader, header);
  settled_offset_ = offset_;
}

void BackupWriter::Truncate() {
  count_ = settled_count_;
  open_ = false;
  app_left_ = 0;
  offset_ = settled_offset_;
  std::fflush(file_.get());
  if (ftruncate(fileno(file_.get()), static_cast<off_t>(offset_)) != 0 ||
      std::fseek(file_.get(), static_cast<long>(offset_), SEEK_SET) != 0) {
    throw Failure(Exit::kFailed, fmt::format("{} cannot be written: {}.", part_, ErrnoText()));
  }
}

void BackupWriter::Add(const backup::Chunk& chunk) {
  WriteRecord(kChunk, chunk);
  for (const backup::HubPart& part : chunk.parts()) {
    open_ = !part.last();
    if (part.last()) ++count_.hubs;
    count_.rows += static_cast<uint64_t>(part.rows_size());
    for (const backup::Row& row : part.rows()) count_.bytes += row.key().size() + row.value().size();
  }
  for (const app::Version& version : chunk.app().versions()) app_left_ += version.bytes();
  app_left_ -= std::min<uint64_t>(app_left_, chunk.app_content().size());
  if (chunk.has_app() || !chunk.app_content().empty()) open_ = app_left_ > 0;
  if (!open_) {
    settled_offset_ = offset_;
    settled_count_ = count_;
  }
  // So that little has to be read again after a crash of the machine.
  if (unsynced_ >= kSyncBytes) Sync();
}

void BackupWriter::DropOpen() {
  if (open_) Truncate();
}

void BackupWriter::Finish(int64_t now_ms) {
  std::fflush(file_.get());
  // What is there, not what was meant to be: a disk that lies is found out here.
  Sha256 hash;
  std::rewind(file_.get());
  std::string buffer(1u << 20, '\0');
  for (uint64_t left = offset_; left > 0;) {
    const size_t read = ReadInto(file_.get(), buffer.data(), std::min<uint64_t>(left, buffer.size()));
    if (read == 0) throw Failure(Exit::kFailed, fmt::format("{} cannot be read again.", part_));
    hash.Add({buffer.data(), read});
    left -= read;
  }
  std::fseek(file_.get(), static_cast<long>(offset_), SEEK_SET);
  backup::FileEnd end;
  end.set_hubs(count_.hubs);
  end.set_rows(count_.rows);
  end.set_bytes(count_.bytes);
  end.set_ended_ms(now_ms);
  end.set_sha256(hash.Digest());
  WriteRecord(kEnd, end);
  Sync();
  if (link(part_.c_str(), path_.c_str()) != 0 && rename(part_.c_str(), path_.c_str()) != 0)
    throw Failure(Exit::kFailed, fmt::format("{} cannot be given its name: {}.", part_, ErrnoText()));
  unlink(part_.c_str());
  SyncDirectoryOf(path_);
}

void BackupWriter::Write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
    throw Failure(Exit::kFailed, fmt::format("{} cannot be written: {}.", part_, ErrnoText()));
  offset_ += bytes.size();
  unsynced_ += bytes.size();
}

void BackupWriter::WriteRecord(char kind, const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  Write(Number(static_cast<uint32_t>(bytes.size())) + Number(Crc(kind, bytes)) + kind);
  Write(bytes);
  if (std::fflush(file_.get()) != 0)
    throw Failure(Exit::kFailed, fmt::format("{} cannot be written: {}.", part_, ErrnoText()));
}

void BackupWriter::Sync() {
  if (std::fflush(file_.get()) != 0 || fdatasync(fileno(file_.get())) != 0)
    throw Failure(Exit::kFailed, fmt::format("{} cannot be written: {}.", part_, ErrnoText()));
  unsynced_ = 0;
}

}  // namespace dormouse
