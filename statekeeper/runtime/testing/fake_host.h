// What a hub needs of its lane, in a test's hands: notes what is asked for, and does none of it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/testing/manual_store.h"

namespace dormouse {

class FakeHost : public HubHost {
 public:
  ManualStore hub_store;
  FiberPool fiber_pool{4};
  HubLimits hub_limits;
  uint32_t attempts = 3;
  std::set<GatewayId> gone;
  std::vector<GatewayId> linked;
  uint32_t generation = 0;

  std::vector<EventOutput> released;
  std::vector<std::pair<std::shared_ptr<AwakeHub>, WaitingLine>> to_run;
  std::vector<std::shared_ptr<AwakeHub>> to_commit;
  std::vector<std::shared_ptr<AwakeHub>> drowsy;
  std::vector<std::shared_ptr<AwakeHub>> suspects;
  int suspects_ended = 0;
  int given_up = 0;
  int alarms_failed = 0;   // and are to be tried again
  int alarms_dropped = 0;  // for they have failed too often
  int alarms_ran = 0;
  std::vector<int64_t> alarms_done;  // when the next is due
  std::vector<Fiber*> to_resume;
  std::vector<HubCaller::Question> calls;
  HubCaller::Answer call_answer;

  Store* store() override { return &hub_store; }
  FiberPool* fibers() override { return &fiber_pool; }
  Duration reap_interval() const override { return Duration(3'600'000); }
  const HubLimits& limits() const override { return hub_limits; }
  void Release(EventOutput output) override { released.push_back(std::move(output)); }
  void Recall(const ConnectionId&, const ShardEpoch&, GatewayLinks::Recalled) override {}
  bool IsPresent(GatewayId gateway) const override { return !gone.contains(gateway); }
  std::vector<GatewayId> Linked() const override { return linked; }
  uint32_t roll_generation() const override { return generation; }
  void CommitSoon(std::shared_ptr<AwakeHub> hub) override { to_commit.push_back(std::move(hub)); }
  void Touch(AwakeHub*) override {}
  void SleepSoon(std::shared_ptr<AwakeHub> hub) override { drowsy.push_back(std::move(hub)); }
  void RetrySoon(std::shared_ptr<AwakeHub>) override {}
  void RunSoon(std::shared_ptr<AwakeHub> hub, WaitingLine line) override {
    to_run.emplace_back(std::move(hub), line);
  }
  void Yield() override {}
  void ResumeSoon(Fiber* fiber) override { to_resume.push_back(fiber); }
  HubCaller::Answer Call(HubCaller::Question question) override {
    calls.push_back(std::move(question));
    return call_answer;
  }
  uint32_t max_attempts() const override { return attempts; }
  void AwaitSuspectTurn(std::shared_ptr<AwakeHub> hub) override { suspects.push_back(std::move(hub)); }
  void EndSuspectTurn() override { ++suspects_ended; }
  void CountGivenUp() override { ++given_up; }
  void CountFailedAlarm(bool again) override { ++(again ? alarms_failed : alarms_dropped); }
  void AlarmRan(const std::string&) override { ++alarms_ran; }
  void AlarmDone(const std::string&, ShardId, int64_t next_due_ms) override {
    alarms_done.push_back(next_due_ms);
  }
};

}  // namespace dormouse
