// dormousectl export and import (copies.h).

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <utility>

#include "common/clock.h"
#include "deploy/ctl/copies.h"
#include "deploy/ctl/copy_failures.h"
#include "deploy/ctl/hub_lines.h"
#include "deploy/ctl/restorer.h"
#include "deploy/ctl/say.h"
#include "proto/stored.pb.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;

constexpr size_t kBytesPerPart = 512u << 10;

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

HubLines ReadFile(const std::string& path) {
  if (path == "-") return ParseHubLines(&std::cin, "standard input");
  std::ifstream file(path);
  if (!file) throw Failure(Exit::kFailed, fmt::format("There is no file {}, or it cannot be read.", path));
  return ParseHubLines(&file, path);
}

// Sends a hub in as few parts as it takes.
class PartSender {
 public:
  PartSender(Restorer* restorer, std::string hub) : restorer_(restorer), hub_(std::move(hub)) { Begin(true); }

  void Add(const std::string& key, const std::string& value) {
    backup::Row* row = next_.mutable_part()->add_rows();
    row->set_key(UserRow(key));
    row->set_value(value);
    state_bytes_ += key.size() + value.size();
    bytes_ += key.size() + value.size();
    if (bytes_ < kBytesPerPart || !wanted_) return;
    wanted_ = restorer_->SendPart(std::exchange(next_, {}));
    Begin(false);
  }

  // With what beside its rows is the hub's.
  void End(const HubLines& hub) {
    stored::HubMeta meta;
    meta.set_alarm_due_ms(hub.alarm_ms.value_or(0));
    for (const auto& [name, due_ms] : hub.timers) {
      stored::HubMeta::Timer* timer = meta.add_timers();
      timer->set_name(name);
      timer->set_due_ms(due_ms);
    }
    meta.set_state_bytes(state_bytes_);
    next_.mutable_part()->set_last(true);
    if (hub.alarm_ms || !hub.timers.empty() || state_bytes_ > 0) next_.set_meta(meta.SerializeAsString());
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
  admin::RestoreHubsRequest::Hub next_;
  size_t bytes_ = 0;
  uint64_t state_bytes_ = 0;
  bool wanted_ = true;
};

}  // namespace

void Export(ClusterClient* cluster, const std::string& hub) {
  HubLines lines;
  lines.hub = hub;
  stored::HubMeta meta;
  for (auto& [key, value] : ReadAll(cluster, hub)) {
    if (key == kMetaRow) meta.ParseFromString(value);
    if (key.starts_with(kUserRows)) lines.rows.emplace(key.substr(kUserRows.size()), value);
  }
  if (meta.restoring() != 0) {
    throw Failure(Exit::kFailed,
                  fmt::format("Hub {} is half restored: let the restore, or the import, of it end.", hub));
  }
  for (const auto& timer : meta.timers()) lines.timers.emplace(timer.name(), timer.due_ms());
  if (meta.alarm_due_ms() != 0) lines.alarm_ms = meta.alarm_due_ms();
  const std::string text = PrintHubLines(lines);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Failure(Exit::kFailed, "Standard output cannot be written.");
}

void Import(ClusterClient* cluster, const ImportOptions& options, Form form) {
  const HubLines lines = ReadFile(options.file);
  if (cluster->members().stored_format() == 0) {
    throw IsOlder("cannot import");
  }
  Restorer restorer(cluster, {.run = NewRun(), .replace = options.replace, .patience = cluster->timeout()});
  PartSender sender(&restorer, options.hub);
  for (const auto& [key, value] : lines.rows) sender.Add(key, value);
  sender.End(lines);
  Print(ShowImported(options.hub, lines, form));
}

}  // namespace dormouse
