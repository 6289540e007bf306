// dormousectl restore (copies.h).

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "deploy/ctl/app_copy.h"
#include "deploy/ctl/backup_file.h"
#include "deploy/ctl/copies.h"
#include "deploy/ctl/copy_failures.h"
#include "deploy/ctl/restorer.h"
#include "deploy/ctl/say.h"
#include "deploy/ctl/table.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;

// FILE.restore: the number of a restore that has not ended, so that the next one goes on with it. Hubs bear
// the number once they are restored, so the file need not say how far it came, nor into which cluster.
class RunFile {
 public:
  RunFile(const std::string& backup, bool afresh) : path_(backup + ".restore") {
    std::ifstream in(path_);
    if (std::string text; !afresh && in >> text && text.size() == 16) {
      run_ = std::strtoull(text.c_str(), nullptr, 16);
      resumed_ = run_ != 0;
    }
    if (resumed_) return;
    run_ = NewRun();
    const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    const std::string text = fmt::format("{:016x}\n", run_);
    if (file < 0 || write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        fsync(file) != 0) {
      Remark(fmt::format("{} cannot be written ({}): if this is interrupted, the next restore begins anew.",
                         path_, std::strerror(errno)));
    }
    if (file >= 0) close(file);
  }
  void Remove() const { unlink(path_.c_str()); }
  uint64_t run() const { return run_; }
  bool resumed() const { return resumed_; }

 private:
  const std::string path_;
  uint64_t run_ = 0;
  bool resumed_ = false;
};

// A hub of the cluster; nothing: it has none.
std::optional<std::string> AnyHub(ClusterClient* cluster) {
  for (const admin::Member& member : cluster->members().members()) {
    admin::HubsRequest request;
    request.set_member(member.id());
    while (true) {
      const admin::HubsReply page = cluster->AskAnyone(&Stub::Hubs, request);
      if (!page.hubs().empty()) return page.hubs(0).hub();
      if (!page.has_next()) break;
      *request.mutable_after() = page.next();
    }
  }
  return std::nullopt;
}

void CheckFormat(const std::string& file, const backup::FileHeader& header,
                 const admin::MembersReply& members) {
  if (members.stored_format() == 0) {
    throw IsOlder("cannot restore");
  }
  if (header.stored_format() <= members.stored_format()) return;
  throw Failure(
      Exit::kFailed,
      fmt::format("{} holds state in format {}, of Dormouse {}, and this cluster reads up to format {}: "
                  "restore it into a cluster of that version, or a later one.",
                  file, header.stored_format(), header.version(), members.stored_format()));
}

// Cuts the file's parts of hubs into what a statekeeper takes.
class Sender {
 public:
  Sender(Restorer* restorer, const std::vector<std::string>& only) : restorer_(restorer), only_(only) {}

  void Take(backup::HubPart part) {
    if (part.first()) {
      wanted_ = only_.empty() || std::ranges::find(only_, part.hub()) != only_.end();
      meta_.reset();
      if (wanted_) ++found_;
    }
    if (!wanted_) return;
    const bool whole = part.first() && part.last();
    const bool last = part.last();
    admin::RestoreHubsRequest::Hub hub;
    *hub.mutable_part() = std::move(part);
    TakeMeta(hub.mutable_part());
    if (last && meta_) hub.set_meta(*meta_);
    if (whole) {
      restorer_->Add(std::move(hub));
    } else {
      wanted_ = restorer_->SendPart(std::move(hub));
    }
  }

  size_t found() const { return found_; }

 private:
  // That row goes with the last part.
  void TakeMeta(backup::HubPart* part) {
    auto* rows = part->mutable_rows();
    for (const backup::Row& row : *rows) {
      if (row.key() != kMetaRow) continue;
      meta_ = row.has_value() ? std::optional(row.value()) : std::nullopt;
    }
    rows->erase(std::remove_if(rows->begin(), rows->end(),
                               [](const backup::Row& row) { return row.key() == kMetaRow; }),
                rows->end());
  }

  Restorer* const restorer_;
  const std::vector<std::string>& only_;
  bool wanted_ = false;  // the hub whose parts come
  std::optional<std::string> meta_;
  size_t found_ = 0;
};

}  // namespace

void Restore(ClusterClient* cluster, const RestoreOptions& options, Form form) {
  const BackupSummary summary = VerifyBackup(options.file);
  CheckFormat(options.file, summary.header, cluster->members());
  // Of some hubs it is short, and nobody's business to go on with.
  std::optional<RunFile> run;
  if (options.hubs.empty()) run.emplace(options.file, options.afresh);
  const bool resumed = run && run->resumed();
  if (resumed) {
    Remark(
        "goes on with a restore that was interrupted: what that has restored stays as it is now; --afresh "
        "begins anew.");
  } else if (run && !options.replace && !options.keep) {
    if (const std::optional<std::string> hub = AnyHub(cluster); hub.has_value()) {
      run->Remove();
      throw Failure(
          Exit::kFailed,
          fmt::format("This cluster has hubs, such as {}. Nothing was changed. --replace puts the backup's "
                      "in the place of those of the same name, --keep lets those be.",
                      *hub));
    }
  }
  Restorer restorer(cluster, {.run = run ? run->run() : NewRun(),
                              .replace = options.replace,
                              .keep = options.keep,
                              .patience = cluster->timeout()});
  Sender sender(&restorer, options.hubs);
  AppRestorer app(cluster, options.replace, options.keep);
  BackupReader reader(options.file);
  try {
    backup::Chunk chunk;
    while (reader.Next(&chunk)) {
      if (options.hubs.empty()) app.Take(chunk);
      for (backup::HubPart& part : *chunk.mutable_parts()) sender.Take(std::move(part));
    }
    restorer.Flush();
  } catch (const Failure& failure) {
    throw Failure(failure.exit(), fmt::format("{} {} hubs were restored before that{}.", failure.what(),
                                              restorer.count().restored + restorer.count().before,
                                              run ? "; the same command goes on" : ""));
  }
  if (run) run->Remove();
  if (sender.found() < options.hubs.size()) {
    throw Failure(Exit::kNotFound,
                  fmt::format("{} of these hubs are not in {}; {} were restored.",
                              options.hubs.size() - sender.found(), options.file, restorer.count().restored));
  }
  Print(ShowRestored(
      {restorer.count().restored, restorer.count().before, restorer.count().kept, app.deployed()}, form));
}

}  // namespace dormouse
