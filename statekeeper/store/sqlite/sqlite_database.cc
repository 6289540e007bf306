#include "statekeeper/store/sqlite/sqlite_database.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/clock.h"
#include "common/ids.h"
#include "common/logging.h"
#include "statekeeper/store/stored_format.h"

namespace dormouse {
namespace {

constexpr size_t kMaxPageRows = 1'000;
constexpr size_t kMaxPageBytes = 256u << 10;

// Small rows that are read in key order: the tree of the primary key holds them itself (WITHOUT ROWID).
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shards (shard INTEGER PRIMARY KEY, owner TEXT NOT NULL, epoch INTEGER NOT NULL);
-- Owners that ended without giving their shard away: how many, and when the last did (wall clock). One that ended
-- well is 0 of them, and released.
CREATE TABLE IF NOT EXISTS shard_crashes (
  shard INTEGER PRIMARY KEY, crashes INTEGER NOT NULL, crashed INTEGER NOT NULL, released INTEGER NOT NULL DEFAULT 0);
-- How many commits a shard has known: whoever was told of more knows that this file has lost some.
CREATE TABLE IF NOT EXISTS shard_commits (shard INTEGER PRIMARY KEY, commits INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
  hub TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (hub, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarms (
  hub TEXT PRIMARY KEY, shard INTEGER NOT NULL, due INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alarms_by_due ON alarms (shard, due, hub);
-- The hubs that have rows.
CREATE TABLE IF NOT EXISTS hubs (shard INTEGER NOT NULL, hub TEXT NOT NULL, PRIMARY KEY (shard, hub)) WITHOUT ROWID;
-- What cluster_store.h calls so. Each change has a version of its own, one above the highest before.
CREATE TABLE IF NOT EXISTS shard_table (
  shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, owner TEXT NOT NULL, avoid TEXT NOT NULL,
  version INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS shard_table_by_version ON shard_table (version);
-- Of the cluster. Some are large: the tree of the keys does not hold them.
CREATE TABLE IF NOT EXISTS cluster_values (key TEXT PRIMARY KEY, value BLOB NOT NULL);
)";

// In the order of SqliteDatabase::Statement.
constexpr const char* kSql[] = {
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "INSERT INTO rows (hub, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    "DELETE FROM rows WHERE hub = ? AND key = ?",
    "SELECT key, value FROM rows WHERE hub = ? AND key >= ? ORDER BY key",
    "SELECT key, value FROM rows WHERE hub = ? AND key >= ? AND key < ? ORDER BY key",
    "SELECT value FROM rows WHERE hub = ? AND key = ?",
    "INSERT INTO alarms (hub, shard, due) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET due = excluded.due",
    "DELETE FROM alarms WHERE hub = ?",
    "SELECT hub, due FROM alarms WHERE shard = ? AND due <= ? ORDER BY due, hub LIMIT ?",
    "SELECT due FROM alarms WHERE shard = ? AND due > ? ORDER BY due LIMIT 1",
    R"(SELECT owner, epoch, crashes, crashed, released, commits FROM shards
       LEFT JOIN shard_crashes USING (shard) LEFT JOIN shard_commits USING (shard) WHERE shard = ?)",
    R"(INSERT INTO shards (shard, owner, epoch) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch)",
    R"(INSERT INTO shard_crashes (shard, crashes, crashed) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET crashes = excluded.crashes, crashed = excluded.crashed)",
    "INSERT INTO shard_commits (shard, commits) VALUES (?, 1) ON CONFLICT DO UPDATE SET commits = commits + "
    "1",
    R"(INSERT INTO shard_crashes (shard, crashes, crashed, released) VALUES (?, 0, 0, 1)
       ON CONFLICT DO UPDATE SET released = 1)",
    "UPDATE shard_crashes SET released = 0 WHERE shard = ? AND released",
    "SELECT 1 FROM rows WHERE hub = ? LIMIT 1",
    "INSERT INTO hubs (shard, hub) VALUES (?, ?) ON CONFLICT DO NOTHING",
    "DELETE FROM hubs WHERE shard = ? AND hub = ?",
    "SELECT hub FROM hubs WHERE shard = ? AND hub > ? ORDER BY hub LIMIT ?",
    "SELECT coalesce(max(version), 0) FROM shard_table",
    "SELECT shard, epoch, owner, avoid FROM shard_table WHERE version > ? ORDER BY version",
    R"(INSERT INTO shard_table (shard, epoch, owner, avoid, version)
       VALUES (?, ?, ?, ?, (SELECT coalesce(max(version), 0) + 1 FROM shard_table))
       ON CONFLICT DO UPDATE SET epoch = excluded.epoch, owner = excluded.owner, avoid = excluded.avoid,
                                 version = excluded.version
       WHERE excluded.epoch > epoch
             OR excluded.epoch = epoch AND (excluded.owner, excluded.avoid) <> (owner, avoid))",
    "SELECT value FROM cluster_values WHERE key = ?",
    "INSERT INTO cluster_values (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    "DELETE FROM cluster_values WHERE key = ?",
};

// The state is readable for its user alone, also where the files were made with another mode. SQLite gives
// the files that it makes beside the first the mode of that one.
void KeepPrivate(const std::string& path) {
  for (const char* suffix : {"", "-wal"}) {
    std::error_code another_users;
    std::filesystem::permissions(path + suffix,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write,
                                 another_users);
  }
}

}  // namespace

// One use of a prepared statement: binds its parameters in order, steps through its rows, and resets it at
// the end of its scope. Bound strings must live as long.
class SqliteDatabase::Query {
 public:
  explicit Query(sqlite3_stmt* statement) : statement_(statement) {}
  ~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& Bind(int64_t number) {
    sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  Query& Text(const std::string& text) {
    sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    return *this;
  }
  Query& Blob(const std::string& bytes) {
    sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(), SQLITE_STATIC);
    return *this;
  }

  // True: there is a row, whose columns can be read.
  bool Next() {
    result_ = sqlite3_step(statement_);
    return result_ == SQLITE_ROW;
  }
  // For statements without rows.
  bool Run() { return !Next() && !failed(); }
  bool failed() const { return result_ != SQLITE_ROW && result_ != SQLITE_DONE; }

  int64_t Number(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string Bytes(int column) const {
    const void* bytes = sqlite3_column_blob(statement_, column);
    if (bytes == nullptr) return {};  // an empty one
    return {static_cast<const char*>(bytes), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  sqlite3_stmt* const statement_;
  int bound_ = 0;
  int result_ = SQLITE_DONE;
};

std::unique_ptr<SqliteDatabase> SqliteDatabase::Open(const std::string& path, uint32_t shard_count,
                                                     std::string* error) {
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(path, shard_count));
  if (!database->OpenFile(error)) return nullptr;
  return database;
}

bool SqliteDatabase::OpenFile(std::string* error) {
  const std::string& path = file_.path();
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int opened = sqlite3_open_v2(path.c_str(), &db_, flags, nullptr);
  if (db_ != nullptr) log_.Watch(db_);
  KeepPrivate(path);
  // The lock is taken with the first read, and held: in this mode SQLite needs no file of shared memory
  // either.
  if (opened != SQLITE_OK ||
      !Execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
               "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; COMMIT;") ||
      !Execute(kSchema) || !Prepare()) {
    if (sqlite3_errcode(db_) == SQLITE_BUSY) {
      *error = fmt::format(
          "{} is in use by another process. A file serves one statekeeper; more than one need Redis "
          "(--store redis://HOST:PORT).",
          path);
    } else {
      *error = fmt::format("The store {} cannot be opened: {}.", path, sqlite3_errmsg(db_));
    }
    return false;
  }

  file_.Remember();
  std::string stored;
  std::string format;
  const std::string wanted = std::to_string(shard_count_);
  if (!KeepFirst("shards", wanted, &stored) || !KeepFirst("format", std::to_string(kStoredFormat), &format) ||
      !KeepFirst("cluster", NewSecretHex(8), &cluster_id_)) {
    *error = fmt::format("The store {} cannot be written: {}.", path, sqlite3_errmsg(db_));
    return false;
  }
  *error = WhyNotReadable("The store " + path, format);
  if (!error->empty()) return false;
  if (stored != wanted) {
    *error = fmt::format(
        "The store {} holds a cluster of {} shards, but this process is set to {}. The number of shards "
        "never "
        "changes: set --shards {}, or another file for another cluster.",
        path, stored, wanted, stored);
    return false;
  }
  file_.Remember();
  return true;
}

bool SqliteDatabase::KeepFirst(const std::string& name, const std::string& value, std::string* kept) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db_,
                     "INSERT INTO meta (name, value) VALUES (?, ?) "
                     "ON CONFLICT DO UPDATE SET value = value RETURNING value",
                     -1, &statement, nullptr);
  {
    Query query(statement);
    if (query.Text(name).Text(value).Next()) *kept = query.Bytes(0);
    query.Next();
  }
  return sqlite3_finalize(statement) == SQLITE_OK && !kept->empty();
}

void SqliteDatabase::CloseFile(bool abandon) {
  for (sqlite3_stmt*& statement : statements_) sqlite3_finalize(std::exchange(statement, nullptr));
  if (db_ == nullptr) return;
  if (abandon) {
    // It would write into what is at the path now, and remove the log beside that.
    sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  sqlite3_close(std::exchange(db_, nullptr));
}

SqliteDatabase::~SqliteDatabase() {
  if (db_ == nullptr) return;
  const StoreFile::Change change = FindChange();
  CloseFile(change != StoreFile::Change::kNone && change != StoreFile::Change::kLogGone);
}

StoreFile::Change SqliteDatabase::FindChange() const {
  const StoreFile::Change change = file_.FindChange();
  const bool is_of_log = change == StoreFile::Change::kNone || change == StoreFile::Change::kLogGone;
  // What is put into the file is the log that is open, wherever its name has gone.
  return is_of_log && db_ != nullptr && !log_.IsWhole() ? StoreFile::Change::kLogWritten : change;
}

bool SqliteDatabase::ChangeStore(StoreFile::Change change) {
  constexpr std::array kWhat = {"",
                                "its log was removed",
                                "another process has written to its log, or cut it off",
                                "it was removed",
                                "it was replaced",
                                "another process has written to it"};
  const bool loses_nothing = db_ != nullptr && change == StoreFile::Change::kLogGone;
  if (db_ != nullptr) {
    trouble_ = fmt::format("{}: {}", file_.path(), kWhat[static_cast<size_t>(change)]);
    SPDLOG_ERROR("The store {} was taken from under this process: {}. {}", file_.path(),
                 kWhat[static_cast<size_t>(change)],
                 loses_nothing ? "It is opened anew"
                               : "All changes are refused until there is a file that nobody is writing; "
                                 "what that one does not hold is lost");
    if (change == StoreFile::Change::kLogWritten) {
      // What is left of one that is spare is older than what the file holds by now.
      if (log_.IsSpare()) file_.DropSpareLog();
    } else if (!loses_nothing) {
      file_.DropOwnLog();
    }
    CloseFile(!loses_nothing);
    ++serial_;
  }
  if (!loses_nothing && !file_.IsStill(SteadyMs())) return false;
  if (std::string error; !OpenFile(&error)) {
    trouble_ = error;
    CloseFile(true);
    return false;
  }
  SPDLOG_WARN("The store {} is open again, as it lies there now", file_.path());
  trouble_.clear();
  return true;
}

bool SqliteDatabase::Prepare() {
  static_assert(std::size(kSql) == kStatements);
  for (int i = 0; i < kStatements; ++i) {
    if (sqlite3_prepare_v3(db_, kSql[i], -1, SQLITE_PREPARE_PERSISTENT, &statements_[i], nullptr) !=
        SQLITE_OK) {
      return false;
    }
  }
  return true;
}

bool SqliteDatabase::Execute(const char* sql) {
  return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

bool SqliteDatabase::Begin() {
  const StoreFile::Change change = FindChange();
  if ((db_ == nullptr || change != StoreFile::Change::kNone) && !ChangeStore(change)) return false;
  trouble_.clear();
  return Query(statements_[kBegin]).Run();
}

bool SqliteDatabase::Commit() {
  if (!Query(statements_[kCommit]).Run()) return false;
  if (!log_.IsWhole()) {
    trouble_ = "another process has written to the log of " + file_.path();
    return false;
  }
  if (file_.RememberWrite()) return true;
  trouble_ = file_.path() + " was removed or replaced";
  return false;
}

void SqliteDatabase::Rollback() {
  // Some errors have rolled back already.
  if (db_ == nullptr) return;
  if (sqlite3_get_autocommit(db_) == 0) Query(statements_[kRollback]).Run();
  // A large transaction may have come into the log in part.
  if (log_.IsWhole()) file_.RememberWrite();
}

StoreStatus SqliteDatabase::Apply(const ShardCommit& commit, const std::string& owner, uint64_t* commits) {
  {
    Query shard(statements_[kGetShard]);
    const bool found = shard.Bind(commit.shard).Next();
    if (shard.failed()) return StoreStatus::kError;
    if (!found || shard.Bytes(0) != owner || shard.Number(1) != commit.epoch) return StoreStatus::kFenced;
    const auto known = static_cast<uint64_t>(shard.Number(5));
    if (known < *commits) return StoreStatus::kFenced;
    *commits = known + 1;
  }
  if (!Query(statements_[kCountCommit]).Bind(commit.shard).Run()) return StoreStatus::kError;
  for (const HubCommit& hub : commit.hubs) {
    for (const RowWrite& row : hub.rows) {
      Query write(statements_[row.value ? kPutRow : kDeleteRow]);
      write.Text(hub.hub).Blob(row.key);
      if (row.value) write.Blob(*row.value);
      if (!write.Run()) return StoreStatus::kError;
    }
    if (!hub.rows.empty() && !KeepListed(commit.shard, hub)) return StoreStatus::kError;
    if (hub.alarm_due_ms) {
      Query alarm(statements_[*hub.alarm_due_ms != 0 ? kPutAlarm : kDeleteAlarm]);
      alarm.Text(hub.hub);
      if (*hub.alarm_due_ms != 0) alarm.Bind(commit.shard).Bind(*hub.alarm_due_ms);
      if (!alarm.Run()) return StoreStatus::kError;
    }
  }
  return StoreStatus::kOk;
}

bool SqliteDatabase::KeepListed(ShardId shard, const HubCommit& hub) {
  bool has_rows = true;
  if (std::any_of(hub.rows.begin(), hub.rows.end(), [](const RowWrite& row) { return !row.value; })) {
    Query rows(statements_[kHasRows]);
    has_rows = rows.Text(hub.hub).Next();
    if (rows.failed()) return false;
  }
  return Query(statements_[has_rows ? kListHub : kUnlistHub]).Bind(shard).Text(hub.hub).Run();
}

StoreStatus SqliteDatabase::Range(const std::string& hub, const std::string& first, const std::string& last,
                                  size_t limit, RowPage* page) {
  Query query(statements_[last.empty() ? kRangeFrom : kRangeBetween]);
  query.Text(hub).Blob(first);
  if (!last.empty()) query.Blob(last);
  size_t bytes = 0;
  while (query.Next()) {
    if (page->rows.size() == std::min(limit, kMaxPageRows) || bytes >= kMaxPageBytes) return StoreStatus::kOk;
    const Row& row = page->rows.emplace_back(Row{query.Bytes(0), query.Bytes(1)});
    bytes += row.key.size() + row.value.size();
  }
  page->complete = true;
  return query.failed() ? StoreStatus::kError : StoreStatus::kOk;
}

StoreStatus SqliteDatabase::Get(const std::string& hub, const std::vector<std::string>& keys,
                                std::vector<std::optional<std::string>>* values) {
  values->resize(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    Query query(statements_[kGetRow]);
    if (query.Text(hub).Blob(keys[i]).Next()) (*values)[i] = query.Bytes(0);
    if (query.failed()) return StoreStatus::kError;
  }
  return StoreStatus::kOk;
}

StoreStatus SqliteDatabase::DueAlarms(ShardId shard, int64_t now_ms, size_t limit, AlarmPage* page) {
  Query due(statements_[kDueAlarms]);
  due.Bind(shard).Bind(now_ms).Bind(static_cast<int64_t>(limit) + 1);
  while (due.Next()) {
    if (page->due.size() == limit) {
      page->next_ms = due.Number(1);
      return StoreStatus::kOk;
    }
    page->due.push_back({due.Bytes(0), due.Number(1)});
  }
  if (due.failed()) return StoreStatus::kError;
  Query next(statements_[kNextAlarm]);
  if (next.Bind(shard).Bind(now_ms).Next()) page->next_ms = next.Number(0);
  return next.failed() ? StoreStatus::kError : StoreStatus::kOk;
}

StoreStatus SqliteDatabase::ListHubs(ShardId shard, const std::string& after, size_t limit,
                                     std::vector<std::string>* names) {
  Query hubs(statements_[kListHubs]);
  hubs.Bind(shard).Text(after).Bind(static_cast<int64_t>(std::min(limit, kMaxPageRows)));
  while (hubs.Next()) names->push_back(hubs.Bytes(0));
  return hubs.failed() ? StoreStatus::kError : StoreStatus::kOk;
}

StoreStatus SqliteDatabase::ShardTable(uint64_t known_version, SyncAnswer* answer) {
  {
    Query version(statements_[kTableVersion]);
    if (!version.Next()) return StoreStatus::kError;
    answer->version = static_cast<uint64_t>(version.Number(0));
  }
  answer->whole = known_version == 0 || known_version > answer->version;
  Query changes(statements_[kTableChanges]);
  changes.Bind(answer->whole ? 0 : static_cast<int64_t>(known_version));
  while (changes.Next()) {
    answer->changed.push_back({static_cast<ShardId>(changes.Number(0)),
                               static_cast<uint32_t>(changes.Number(1)), changes.Bytes(2), changes.Bytes(3)});
  }
  return changes.failed() ? StoreStatus::kError : StoreStatus::kOk;
}

StoreStatus SqliteDatabase::GetShard(ShardId shard, ShardRecord* record, bool* released) {
  Query query(statements_[kGetShard]);
  if (query.Bind(shard).Next()) {
    *record = {query.Bytes(0), static_cast<uint32_t>(query.Number(1)), static_cast<uint32_t>(query.Number(2)),
               static_cast<uint64_t>(query.Number(5))};
    if (WallMs() - query.Number(3) > kCrashMemory.count()) record->crashes = 0;
    *released = query.Number(4) != 0;
  }
  return query.failed() ? StoreStatus::kError : StoreStatus::kOk;
}

StoreStatus SqliteDatabase::Claim(const std::string& owner, const std::vector<ShardClaim>& claims,
                                  std::vector<ShardRecord>* records) {
  for (const ShardClaim& claim : claims) {
    ShardRecord record;
    bool released = false;
    if (GetShard(claim.shard, &record, &released) != StoreStatus::kOk) return StoreStatus::kError;
    if (record.epoch == claim.epoch) {
      if (record.epoch != 0 && record.owner != owner && !claim.given && !released) {
        Query count(statements_[kPutCrashes]);
        if (!count.Bind(claim.shard).Bind(++record.crashes).Bind(WallMs()).Run()) return StoreStatus::kError;
      }
      record.owner = owner;
      record.epoch = std::max(record.epoch == 0 ? FirstEpoch() : record.epoch + 1, claim.highest + 1);
      Query set(statements_[kPutShard]);
      if (!set.Bind(claim.shard).Text(record.owner).Bind(record.epoch).Run()) return StoreStatus::kError;
      Query serve(statements_[kUnreleaseShard]);
      if (!serve.Bind(claim.shard).Run()) return StoreStatus::kError;
    }
    records->push_back(std::move(record));
  }
  return StoreStatus::kOk;
}

StoreStatus SqliteDatabase::Release(const std::string& owner, const std::vector<ShardEpoch>& shards) {
  for (const ShardEpoch& each : shards) {
    ShardRecord record;
    bool released = false;
    if (GetShard(each.shard, &record, &released) != StoreStatus::kOk) return StoreStatus::kError;
    if (record.owner != owner || record.epoch != each.epoch) continue;
    Query release(statements_[kReleaseShard]);
    if (!release.Bind(each.shard).Run()) return StoreStatus::kError;
  }
  return StoreStatus::kOk;
}

StoreStatus SqliteDatabase::GetValue(const std::string& key, std::optional<std::string>* value) {
  Query query(statements_[kGetValue]);
  if (query.Text(key).Next()) *value = query.Bytes(0);
  return query.failed() ? StoreStatus::kError : StoreStatus::kOk;
}

StoreStatus SqliteDatabase::PutValue(const std::string& key, const std::optional<std::string>& value) {
  Query write(statements_[value ? kPutValue : kDeleteValue]);
  write.Text(key);
  if (value) write.Blob(*value);
  return write.Run() ? StoreStatus::kOk : StoreStatus::kError;
}

StoreStatus SqliteDatabase::ChangeValue(const ValueChange& change, std::optional<std::string>* value) {
  if (GetValue(change.key, value) != StoreStatus::kOk) return StoreStatus::kError;
  if (*value != change.from) return StoreStatus::kOk;
  *value = change.to;
  return PutValue(change.key, change.to);
}

StoreStatus SqliteDatabase::Publish(const std::vector<ShardEntry>& entries) {
  for (const ShardEntry& entry : entries) {
    Query publish(statements_[kPublish]);
    publish.Bind(entry.shard).Bind(entry.epoch).Text(entry.owner).Text(entry.avoid);
    if (!publish.Run()) return StoreStatus::kError;
  }
  return StoreStatus::kOk;
}

std::string SqliteDatabase::error() const {
  return !trouble_.empty() || db_ == nullptr ? trouble_ : sqlite3_errmsg(db_);
}

bool SqliteDatabase::error_is_damage() const {
  const int code = sqlite3_extended_errcode(db_);
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB || code == SQLITE_IOERR_READ ||
         code == SQLITE_IOERR_SHORT_READ;
}

bool SqliteDatabase::Probe() {
  const bool done = Begin() && Execute("INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(65536))") &&
                    Execute("COMMIT; BEGIN IMMEDIATE; DELETE FROM meta WHERE name = 'probe'; COMMIT");
  Rollback();
  return done && log_.IsWhole();
}

}  // namespace dormouse
