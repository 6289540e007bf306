#include "statekeeper/admin/hub_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "statekeeper/admin/operator_status.h"

namespace dormouse {
namespace {

constexpr size_t kShardsAtOnce = 32;
constexpr size_t kHubsOfShard = 1000;

class Page : public std::enable_shared_from_this<Page> {
 public:
  // `next`: the shard that follows these; nothing: none does.
  Page(std::vector<ShardId> shards, std::optional<ShardId> next, admin::HubsRequest request,
       std::shared_ptr<UnaryCall<admin::HubsReply>> call)
      : shards_(std::move(shards)),
        next_(next),
        request_(std::move(request)),
        call_(std::move(call)),
        answers_(shards_.size()),
        missing_(shards_.size()) {}

  void Ask(LaneOperator* operators) {
    for (size_t i = 0; i < shards_.size(); ++i) {
      const bool begun = request_.has_after() && request_.after().shard() == shards_[i];
      operators->ListHubs(
          shards_[i], begun ? request_.after().hub() : "", kHubsOfShard,
          [self = shared_from_this(), i](OperatorStatus status, std::vector<HubSummary> hubs) {
            self->Take(i, status, std::move(hubs));
          });
    }
  }

 private:
  struct Answer {
    OperatorStatus status = OperatorStatus::kOk;
    std::vector<HubSummary> hubs;
  };

  void Take(size_t i, OperatorStatus status, std::vector<HubSummary> hubs) {
    {
      const std::lock_guard lock(mutex_);
      answers_[i] = {status, std::move(hubs)};
      if (--missing_ > 0) return;
    }
    Finish();
  }

  void Finish() {
    admin::HubsReply reply;
    for (size_t i = 0; i < shards_.size(); ++i) {
      const Answer& answer = answers_[i];
      // A shard that has just gone from a member is not among the member's any more.
      const bool gone = answer.status == OperatorStatus::kNotOwner && !request_.has_shard();
      if (answer.status != OperatorStatus::kOk && !gone) {
        call_->Refuse(ToGrpc(answer.status, fmt::format("Shard {}", shards_[i])));
        return;
      }
      for (const HubSummary& hub : answer.hubs) Add(shards_[i], hub, &reply);
      if (answer.hubs.size() >= kHubsOfShard) {
        reply.mutable_next()->set_shard(shards_[i]);
        reply.mutable_next()->set_hub(answer.hubs.back().hub);
        call_->Answer(reply);
        return;
      }
    }
    if (next_.has_value()) reply.mutable_next()->set_shard(*next_);
    call_->Answer(reply);
  }

  void Add(ShardId shard, const HubSummary& hub, admin::HubsReply* reply) const {
    if (request_.awake() && !hub.awake) return;
    if (!request_.hub_class().empty() && HubClassOf(hub.hub) != request_.hub_class()) return;
    admin::HubsReply::Hub* row = reply->add_hubs();
    row->set_hub(hub.hub);
    row->set_shard(shard);
    row->set_awake(hub.awake);
    row->set_idle_ms(hub.idle_ms);
  }

  const std::vector<ShardId> shards_;
  const std::optional<ShardId> next_;
  const admin::HubsRequest request_;
  const std::shared_ptr<UnaryCall<admin::HubsReply>> call_;
  std::mutex mutex_;
  std::vector<Answer> answers_;  // by shard; mutex_ until none is missing
  size_t missing_;               // mutex_
};

}  // namespace

void AnswerHubPage(LaneOperator* operators, const std::vector<ShardId>& shards,
                   const admin::HubsRequest& request, std::shared_ptr<UnaryCall<admin::HubsReply>> call) {
  const auto first = std::ranges::lower_bound(shards, request.after().shard());
  const auto last = shards.end() - first > static_cast<ptrdiff_t>(kShardsAtOnce)
                        ? first + static_cast<ptrdiff_t>(kShardsAtOnce)
                        : shards.end();
  if (first == last) {
    call->Answer({});
    return;
  }
  std::make_shared<Page>(std::vector<ShardId>(first, last),
                         last == shards.end() ? std::nullopt : std::optional<ShardId>(*last), request,
                         std::move(call))
      ->Ask(operators);
}

}  // namespace dormouse
