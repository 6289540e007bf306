// dormousectl backup and verify (copies.h).

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "deploy/ctl/app_copy.h"
#include "deploy/ctl/backup_file.h"
#include "deploy/ctl/copies.h"
#include "deploy/ctl/copy_failures.h"
#include "deploy/ctl/say.h"
#include "deploy/ctl/table.h"
#include "proto/stored.pb.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;

constexpr uint32_t kShardsAtOnce = 16;
constexpr Duration kPatience{10'000};  // with those, before each is asked for by itself
constexpr int64_t kLongestPauseMs = 1'000;
constexpr int64_t kProgressMs = 2'000;

bool IsHalfRestored(const backup::HubPart& part) {
  stored::HubMeta meta;
  return part.first() && !part.rows().empty() && part.rows(0).key() == kMetaRow &&
         meta.ParseFromString(part.rows(0).value()) && meta.restoring() != 0;
}

class Copier {
 public:
  Copier(ClusterClient* cluster, BackupWriter* writer, bool fast)
      : cluster_(cluster), writer_(writer), fast_(fast) {}

  // From `first` on, and before `end`; of the first one, hubs after that name.
  void CopyShards(uint32_t first, uint32_t end, const std::string& after) {
    if (first < end && !after.empty()) CopyShard(first++, after, std::nullopt);
    while (first < end) {
      // Most shards are small: what takes time is to ask.
      const uint32_t count = std::min(end - first, kShardsAtOnce);
      Begin();
      std::vector<std::future<std::optional<admin::ReadHubsReply>>> pages;
      for (uint32_t i = 0; i < count; ++i) {
        pages.push_back(std::async(std::launch::async, [this, shard = first + i] {
          admin::ReadHubsRequest request;
          request.set_shard(shard);
          return cluster_->TryOnce(&Stub::ReadHubs, request, kPatience);
        }));
      }
      std::vector<std::optional<admin::ReadHubsReply>> replies;
      for (auto& page : pages) replies.push_back(page.get());
      Pause();
      for (std::optional<admin::ReadHubsReply>& reply : replies) CopyShard(first++, "", std::move(reply));
    }
  }

  uint64_t left_out() const { return left_out_; }

 private:
  // `page`: its first, if there is an answer already.
  void CopyShard(uint32_t shard, std::string after, std::optional<admin::ReadHubsReply> page) {
    admin::ReadHubsRequest request;
    request.set_shard(shard);
    bool wrote = !after.empty();
    while (true) {
      request.set_after(after);
      Begin();
      admin::ReadHubsReply reply = page ? *std::move(page) : cluster_->AskAnyone(&Stub::ReadHubs, request);
      page.reset();
      backup::Chunk chunk;
      chunk.set_shard(shard);
      chunk.set_shard_ends(reply.complete());
      for (backup::HubPart& hub : *reply.mutable_hubs()) {
        if (IsHalfRestored(hub)) {
          LeaveOut(hub.hub());
        } else {
          *chunk.add_parts() = std::move(hub);
        }
      }
      wrote = wrote || !chunk.parts().empty();
      if (wrote) writer_->Add(chunk);
      Pause();
      if (reply.complete()) return;
      after = reply.through();
      if (reply.large().empty()) continue;
      wrote = CopyLarge(shard, reply.large()) || wrote;
      after = reply.large();
    }
  }

  // A hub of many pages. False: it is not in the file.
  bool CopyLarge(uint32_t shard, const std::string& hub) {
    for (int reading = 0; reading < kMostReadings; ++reading) {
      admin::ReadHubRequest request;
      request.set_hub(hub);
      while (true) {
        Begin();
        admin::ReadHubReply reply;
        try {
          reply = cluster_->AskAnyone(&Stub::ReadHub, request);
        } catch (const Failure& failure) {
          if (failure.exit() != Exit::kNotFound) throw;
          writer_->DropOpen();
          return false;  // it has gone meanwhile
        }
        if (reply.lost()) break;
        if (IsHalfRestored(reply.part())) {
          LeaveOut(hub);
          return false;
        }
        const bool last = reply.part().last();
        backup::Chunk chunk;
        chunk.set_shard(shard);
        *chunk.add_parts() = std::move(*reply.mutable_part());
        writer_->Add(chunk);
        Pause();
        if (last) return true;
        request.set_reading(reply.reading());
        request.set_page(request.page() + 1);
      }
      writer_->DropOpen();
    }
    throw CannotBeRead(hub);
  }

  void LeaveOut(const std::string& hub) {
    ++left_out_;
    Remark(fmt::format("hub {} is half restored; it is left out.", hub));
  }

  void Begin() { begun_ms_ = SteadyMs(); }

  // As long as what was done took: so at most half of the time of any part of the cluster goes into this.
  void Pause() {
    const int64_t now_ms = SteadyMs();
    if (isatty(STDERR_FILENO) != 0 && now_ms - told_ms_ >= kProgressMs) {
      told_ms_ = now_ms;
      Remark(
          fmt::format("{} hubs, {}", HumanNumber(writer_->count().hubs), HumanSize(writer_->count().bytes)));
    }
    if (fast_) return;
    std::this_thread::sleep_for(
        std::chrono::milliseconds(std::min<int64_t>(now_ms - begun_ms_, kLongestPauseMs)));
  }

  ClusterClient* const cluster_;
  BackupWriter* const writer_;
  const bool fast_;
  uint64_t left_out_ = 0;
  int64_t begun_ms_ = 0;
  int64_t told_ms_ = SteadyMs();
};

}  // namespace

void Backup(ClusterClient* cluster, const BackupOptions& options, Form form) {
  const admin::MembersReply& members = cluster->members();
  if (members.shard_count() == 0 || members.stored_format() == 0) {
    throw IsOlder("takes no backups");
  }
  backup::FileHeader header;
  header.set_id(NewGatewayId());
  header.set_begun_ms(WallMs());
  header.set_version(DORMOUSE_VERSION);
  header.set_stored_format(members.stored_format());
  header.set_shards(members.shard_count());
  header.set_cluster(members.cluster());
  const uint32_t shards = members.shard_count();
  const std::optional<app::Record> app = ReadAppRecord(cluster);
  const bool has_app = app && !app->versions().empty();
  BackupWriter writer(options.file, header, has_app, options.afresh);
  const BackupWriter::Place place = writer.place();
  if (place.resumed) {
    Remark(fmt::format("goes on after {} hubs that {}.part has from before; --afresh begins anew.",
                       HumanNumber(writer.count().hubs), options.file));
  }
  if (has_app && !place.has_app) CopyApp(cluster, &writer);
  Copier copier(cluster, &writer, options.fast);
  copier.CopyShards(place.shard, shards, place.after);
  writer.Finish(WallMs());
  Print(ShowBackup(options.file, VerifyBackup(options.file), form));
  if (copier.left_out() > 0) {
    Remark(fmt::format("{} hubs were half restored and are not in it: let the restore end, and take another.",
                       copier.left_out()));
  }
}

void Verify(const std::string& file, Form form) { Print(ShowBackup(file, VerifyBackup(file), form)); }

}  // namespace dormouse
