#include "deploy/ctl/restorer.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/ids.h"
#include "deploy/ctl/failure.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;
using Reply = admin::RestoreHubsReply;

constexpr size_t kHubsPerBatch = 32;
constexpr size_t kBytesPerBatch = 512u << 10;
constexpr std::chrono::milliseconds kPause{200};

}  // namespace

uint64_t NewRun() { return NewGatewayId(); }

void Restorer::Add(admin::RestoreHubsRequest::Hub hub) {
  Batch& batch = batches_[OwnerOf(hub.part().hub())];
  batch.bytes += hub.ByteSizeLong();
  batch.hubs.push_back(std::move(hub));
  if (batch.hubs.size() < kHubsPerBatch && batch.bytes < kBytesPerBatch) return;
  SendUntilDone(std::exchange(batch, {}));
}

void Restorer::Flush() {
  for (auto& [owner, batch] : std::exchange(batches_, {})) {
    if (!batch.hubs.empty()) SendUntilDone(std::move(batch));
  }
}

bool Restorer::SendPart(admin::RestoreHubsRequest::Hub hub) {
  const int64_t deadline_ms = SteadyMs() + options_.patience.count();
  const bool last = hub.part().last();
  while (true) {
    const Reply reply = Ask({hub});
    const Reply::Hub& answer = reply.hubs(0);
    if (answer.outcome() == Reply::AGAIN) {
      if (SteadyMs() >= deadline_ms) throw Failure(Exit::kLate, answer.message());
      std::this_thread::sleep_for(kPause);
      continue;
    }
    if (answer.outcome() != Reply::DONE || last) Note(answer);
    return answer.outcome() == Reply::DONE;
  }
}

const std::string& Restorer::OwnerOf(const std::string& hub) {
  if (owners_.empty()) {
    const admin::ShardsReply shards = cluster_->AskAnyone(&Stub::Shards, admin::ShardsRequest());
    for (const admin::Shard& shard : shards.shards()) owners_.push_back(shard.owner());
    if (owners_.empty()) throw Failure(Exit::kFailed, "The cluster does not know its shards.");
  }
  return owners_.at(ShardOf(hub, static_cast<uint32_t>(owners_.size())));
}

Reply Restorer::Ask(const std::vector<admin::RestoreHubsRequest::Hub>& hubs) {
  admin::RestoreHubsRequest request;
  request.set_run(options_.run);
  request.set_replace(options_.replace);
  for (const admin::RestoreHubsRequest::Hub& hub : hubs) *request.add_hubs() = hub;
  Reply reply = cluster_->AskAnyone(&Stub::RestoreHubs, request);
  if (reply.hubs_size() != request.hubs_size())
    throw Failure(Exit::kFailed, "A statekeeper's answer is not to what it was asked.");
  return reply;
}

void Restorer::SendUntilDone(Batch batch) {
  const int64_t deadline_ms = SteadyMs() + options_.patience.count();
  std::vector<Batch> to_send;
  to_send.push_back(std::move(batch));
  while (!to_send.empty()) {
    std::vector<admin::RestoreHubsRequest::Hub> again;
    for (Batch& each : std::exchange(to_send, {})) {
      const Reply reply = Ask(each.hubs);
      for (int i = 0; i < reply.hubs_size(); ++i) {
        if (reply.hubs(i).outcome() != Reply::AGAIN) {
          Note(reply.hubs(i));
          continue;
        }
        if (SteadyMs() >= deadline_ms) throw Failure(Exit::kLate, reply.hubs(i).message());
        again.push_back(std::move(each.hubs[static_cast<size_t>(i)]));
      }
    }
    if (again.empty()) return;
    std::this_thread::sleep_for(kPause);
    owners_.clear();  // some have changed
    std::map<std::string, Batch> by_owner;
    for (admin::RestoreHubsRequest::Hub& hub : again)
      by_owner[OwnerOf(hub.part().hub())].hubs.push_back(std::move(hub));
    for (auto& [owner, each] : by_owner) to_send.push_back(std::move(each));
  }
}

void Restorer::Note(const Reply::Hub& answer) {
  if (answer.outcome() == Reply::DONE) {
    ++count_.restored;
  } else if (answer.outcome() == Reply::ALREADY) {
    ++count_.before;
  } else if (answer.outcome() == Reply::EXISTS && options_.keep) {
    ++count_.kept;
  } else if (answer.outcome() == Reply::EXISTS) {
    throw Failure(Exit::kFailed, answer.message() + " --replace puts the copy in its place.");
  } else {
    throw Failure(Exit::kFailed, answer.message());
  }
}

}  // namespace dormouse
