// dormousectl export, import, history and rewind (copies.h).

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <utility>

#include "common/clock.h"
#include "deploy/ctl/copies.h"
#include "deploy/ctl/copy_failures.h"
#include "deploy/ctl/hub_lines.h"
#include "deploy/ctl/restorer.h"
#include "deploy/ctl/say.h"
#include "deploy/ctl/stored_hub.h"
#include "proto/stored.pb.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;

constexpr size_t kBytesPerPart = 512u << 10;
// Of a hub that goes back in one part: a statekeeper that has that sees to the rest, whatever becomes of this program, which
// has the only copy.
constexpr size_t kMostBytesToRewind = 2u << 20;
constexpr size_t kMostBytesOfKey = 32;  // of a change's

using Rows = std::map<std::string, std::string>;

// All rows of a hub, the runtime's own, too.
Rows ReadAll(ClusterClient* cluster, const std::string& hub) {
  for (int reading = 0; reading < kMostReadings; ++reading) {
    admin::ReadHubRequest request;
    request.set_hub(hub);
    Rows rows;
    while (true) {
      const admin::ReadHubReply reply = cluster->AskAnyone(&Stub::ReadHub, request);
      if (reply.lost()) break;
      for (const backup::Row& row : reply.part().rows()) {
        if (row.has_value()) {
          rows[row.key()] = row.value();
        } else {
          rows.erase(row.key());
        }
      }
      if (reply.part().last()) return rows;
      request.set_reading(reply.reading());
      request.set_page(request.page() + 1);
    }
  }
  throw CannotBeRead(hub);
}

StoredHub Read(ClusterClient* cluster, const std::string& hub) {
  StoredHub stored(hub, ReadAll(cluster, hub));
  if (stored.meta.restoring() != 0) {
    throw Failure(Exit::kFailed,
                  fmt::format("Hub {} is half restored: let the restore, or the import, of it end.", hub));
  }
  return stored;
}

HubLines ReadFile(const std::string& path) {
  if (path == "-") return ParseHubLines(&std::cin, "standard input");
  std::ifstream file(path);
  if (!file) throw Failure(Exit::kFailed, fmt::format("There is no file {}, or it cannot be read.", path));
  return ParseHubLines(&file, path);
}

// Sends a hub in as few parts as it takes.
class PartSender {
 public:
  PartSender(Restorer* restorer, std::string hub, size_t bytes_per_part)
      : restorer_(restorer), hub_(std::move(hub)), bytes_per_part_(bytes_per_part) {
    Begin(true);
  }

  // Of the class's.
  void Add(const std::string& key, const std::string& value) {
    state_bytes_ += key.size() + value.size();
    AddRow(UserRow(key), value);
  }
  void AddRow(const std::string& key, const std::string& value) {
    backup::Row* row = next_.mutable_part()->add_rows();
    row->set_key(key);
    row->set_value(value);
    bytes_ += key.size() + value.size();
    if (bytes_ < bytes_per_part_ || !wanted_) return;
    wanted_ = restorer_->SendPart(std::exchange(next_, {}));
    Begin(false);
  }

  // `timers`: of the hub's meta row.
  void End(const stored::HubMeta& timers) {
    stored::HubMeta meta;
    meta.set_alarm_due_ms(timers.alarm_due_ms());
    *meta.mutable_timers() = timers.timers();
    meta.set_state_bytes(state_bytes_);
    next_.mutable_part()->set_last(true);
    if (timers.alarm_due_ms() != 0 || !timers.timers().empty() || state_bytes_ > 0)
      next_.set_meta(meta.SerializeAsString());
    if (wanted_) restorer_->SendPart(std::move(next_));
  }

 private:
  void Begin(bool first) {
    next_.Clear();
    next_.mutable_part()->set_hub(hub_);
    next_.mutable_part()->set_first(first);
    bytes_ = 0;
  }

  Restorer* const restorer_;
  const std::string hub_;
  const size_t bytes_per_part_;
  admin::RestoreHubsRequest::Hub next_;
  size_t bytes_ = 0;
  uint64_t state_bytes_ = 0;
  bool wanted_ = true;
};

}  // namespace

void Export(ClusterClient* cluster, const std::string& hub, const std::optional<uint64_t>& at) {
  StoredHub stored = Read(cluster, hub);
  if (at) stored.GoBack(*at);
  HubLines lines;
  lines.hub = hub;
  for (const auto& timer : stored.meta.timers()) lines.timers.emplace(timer.name(), timer.due_ms());
  lines.rows = std::move(stored.rows);
  if (stored.meta.alarm_due_ms() != 0) lines.alarm_ms = stored.meta.alarm_due_ms();
  const std::string text = PrintHubLines(lines);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Failure(Exit::kFailed, "Standard output cannot be written.");
}

void History(ClusterClient* cluster, const std::string& hub, Form form) {
  Print(ShowHistory(Read(cluster, hub), form));
}

void Rewind(ClusterClient* cluster, const std::string& hub, uint64_t to, Form form) {
  StoredHub stored = Read(cluster, hub);
  stored.GoBack(to);
  size_t bytes = 0;
  for (const auto& [key, value] : stored.rows) bytes += key.size() + value.size();
  if (bytes > kMostBytesToRewind) {
    throw Failure(
        Exit::kFailed,
        fmt::format("Hub {0} is too large to be put back in one go: dormousectl export {0} --at {1} > FILE, "
                    "then dormousectl import --replace {0} FILE.",
                    hub, to));
  }
  // Of what can be taken back further the newest, as far as there is room.
  std::map<uint64_t, std::string> records;
  for (auto it = stored.changes.rbegin(); it != stored.changes.rend(); ++it) {
    std::string record = it->second.SerializeAsString();
    bytes += record.size() + kMostBytesOfKey;
    if (bytes > kMostBytesToRewind) break;
    records.emplace(it->first, std::move(record));
  }
  Restorer restorer(cluster, {.run = NewRun(), .replace = true, .patience = cluster->timeout()});
  PartSender sender(&restorer, hub, std::numeric_limits<size_t>::max());
  for (const auto& [key, value] : stored.rows) sender.Add(key, value);
  stored::Past past;
  past.set_next(stored.last_change + 1);
  for (const auto& [number, record] : records) {
    past.add_bytes(static_cast<uint32_t>(record.size()));
    sender.AddRow(PastRow(number), record);
  }
  sender.AddRow(kPastRow, past.SerializeAsString());
  sender.End(stored.meta);
  Print(ShowRewound(stored, form));
}

void Import(ClusterClient* cluster, const ImportOptions& options, Form form) {
  const HubLines lines = ReadFile(options.file);
  if (cluster->members().stored_format() == 0) {
    throw IsOlder("cannot import");
  }
  Restorer restorer(cluster, {.run = NewRun(), .replace = options.replace, .patience = cluster->timeout()});
  PartSender sender(&restorer, options.hub, kBytesPerPart);
  for (const auto& [key, value] : lines.rows) sender.Add(key, value);
  stored::HubMeta timers;
  timers.set_alarm_due_ms(lines.alarm_ms.value_or(0));
  for (const auto& [name, due_ms] : lines.timers) {
    stored::HubMeta::Timer* timer = timers.add_timers();
    timer->set_name(name);
    timer->set_due_ms(due_ms);
  }
  sender.End(timers);
  Print(ShowImported(options.hub, lines, form));
}

}  // namespace dormouse
