#include "statekeeper/admin/hub_copies.h"

#include <fmt/format.h>

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "statekeeper/admin/operator_status.h"

namespace dormouse {
namespace {

constexpr int kMostHubs = 64;
using Reply = admin::RestoreHubsReply;

void AddRows(std::vector<Row> rows, backup::HubPart* part) {
  for (Row& row : rows) {
    backup::Row* out = part->add_rows();
    out->set_key(std::move(row.key));
    out->set_value(std::move(row.value));
  }
}

void AddChanges(std::vector<RowWrite> changes, backup::HubPart* part) {
  for (RowWrite& change : changes) {
    backup::Row* out = part->add_rows();
    out->set_key(std::move(change.key));
    if (change.value) out->set_value(*std::move(change.value));
  }
}

HubRestore RestoreOf(const admin::RestoreHubsRequest& request, const admin::RestoreHubsRequest::Hub& hub) {
  HubRestore restore;
  restore.hub = hub.part().hub();
  restore.run = request.run();
  restore.replace = request.replace();
  restore.first = hub.part().first();
  restore.last = hub.part().last();
  for (const backup::Row& row : hub.part().rows()) {
    restore.rows.push_back({row.key(), row.has_value() ? std::optional(row.value()) : std::nullopt});
  }
  if (hub.has_meta()) restore.meta = hub.meta();
  return restore;
}

void Judge(RestoreOutcome outcome, const std::string& hub, Reply::Hub* out) {
  switch (outcome) {
    case RestoreOutcome::kDone:
      return out->set_outcome(Reply::DONE);
    case RestoreOutcome::kAlready:
      return out->set_outcome(Reply::ALREADY);
    case RestoreOutcome::kExists:
      out->set_message(fmt::format("Hub {} exists already.", hub));
      return out->set_outcome(Reply::EXISTS);
    case RestoreOutcome::kNotBegun:
      out->set_message(fmt::format("Another restore has begun to write hub {}.", hub));
      break;
    case RestoreOutcome::kUnreadable:
      out->set_message(fmt::format("The metadata of hub {} cannot be read.", hub));
      break;
    case RestoreOutcome::kBadRow:
      out->set_message(fmt::format("Hub {} has a row that this version does not know the purpose of.", hub));
      break;
  }
  out->set_outcome(Reply::REFUSED);
}

void Judge(OperatorStatus status, const std::string& hub, Reply::Hub* out) {
  const bool again = status == OperatorStatus::kNotOwner || status == OperatorStatus::kCrowded ||
                     status == OperatorStatus::kStore;
  out->set_outcome(again ? Reply::AGAIN : Reply::REFUSED);
  out->set_message(
      status == OperatorStatus::kNoSuchHub
          ? fmt::format("There is no hub class {} here, so hub {} cannot be restored.", HubClassOf(hub), hub)
          : ToGrpc(status, "Hub " + hub).error_message());
}

class Restorer : public std::enable_shared_from_this<Restorer> {
 public:
  Restorer(const admin::RestoreHubsRequest& request, std::shared_ptr<UnaryCall<Reply>> call)
      : call_(std::move(call)), missing_(request.hubs_size()) {
    for (int i = 0; i < request.hubs_size(); ++i) reply_.add_hubs();
  }

  void Begin(LaneOperator* operators, const admin::RestoreHubsRequest& request) {
    for (int i = 0; i < request.hubs_size(); ++i) {
      operators->RestoreHub(
          RestoreOf(request, request.hubs(i)),
          [self = shared_from_this(), i, hub = request.hubs(i).part().hub()](
              OperatorStatus status, RestoreOutcome outcome) { self->Take(i, hub, status, outcome); });
    }
  }

 private:
  void Take(int i, const std::string& hub, OperatorStatus status, RestoreOutcome outcome) {
    {
      const std::lock_guard lock(mutex_);
      Reply::Hub* const out = reply_.mutable_hubs(i);
      status == OperatorStatus::kOk ? Judge(outcome, hub, out) : Judge(status, hub, out);
      if (--missing_ > 0) return;
    }
    call_->Answer(reply_);
  }

  const std::shared_ptr<UnaryCall<Reply>> call_;
  std::mutex mutex_;
  Reply reply_;  // mutex_ until none is missing
  int missing_;  // mutex_
};

}  // namespace

void AnswerReadHubs(LaneOperator* operators, const admin::ReadHubsRequest& request,
                    std::shared_ptr<UnaryCall<admin::ReadHubsReply>> call) {
  const auto shard = static_cast<ShardId>(request.shard());
  operators->ReadHubs(shard, request.after(),
                      [shard, call = std::move(call)](OperatorStatus status, HubsPage page) {
                        if (status != OperatorStatus::kOk)
                          return call->Refuse(ToGrpc(status, fmt::format("Shard {}", shard)));
                        admin::ReadHubsReply reply;
                        for (WholeHub& hub : page.hubs) {
                          backup::HubPart* part = reply.add_hubs();
                          part->set_hub(std::move(hub.hub));
                          part->set_first(true);
                          part->set_last(true);
                          AddRows(std::move(hub.rows), part);
                        }
                        reply.set_through(std::move(page.through));
                        reply.set_large(std::move(page.large));
                        reply.set_complete(page.complete);
                        call->Answer(reply);
                      });
}

void AnswerReadHub(LaneOperator* operators, const admin::ReadHubRequest& request,
                   std::shared_ptr<UnaryCall<admin::ReadHubReply>> call) {
  operators->ReadHub(request.hub(), request.reading(), request.page(),
                     [hub = request.hub(), first = request.page() == 0, call = std::move(call)](
                         OperatorStatus status, HubPage page) {
                       if (status != OperatorStatus::kOk) return call->Refuse(ToGrpc(status, "Hub " + hub));
                       admin::ReadHubReply reply;
                       reply.set_lost(page.lost);
                       reply.set_reading(page.reading);
                       backup::HubPart* part = reply.mutable_part();
                       part->set_hub(hub);
                       part->set_first(first);
                       part->set_last(page.complete);
                       AddRows(std::move(page.rows), part);
                       AddChanges(std::move(page.changes), part);
                       call->Answer(reply);
                     });
}

void AnswerRestoreHubs(LaneOperator* operators, const admin::RestoreHubsRequest& request,
                       std::shared_ptr<UnaryCall<admin::RestoreHubsReply>> call) {
  if (request.run() == 0 || request.hubs().empty() || request.hubs_size() > kMostHubs) {
    call->Refuse({grpc::StatusCode::INVALID_ARGUMENT,
                  fmt::format("A restore has a number, and writes 1 to {} hubs at once.", kMostHubs)});
    return;
  }
  std::make_shared<Restorer>(request, std::move(call))->Begin(operators, request);
}

}  // namespace dormouse
