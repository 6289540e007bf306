// Calls between two members: real servers and sockets, with a view of the cluster that the test makes up.
#include "statekeeper/calls/call_peers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/rpc/unary_call.h"
#include "common/temp_dir.h"
#include "statekeeper/link/link_server.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::chrono::milliseconds kPatience{20'000};
constexpr std::chrono::milliseconds kLook{50};
constexpr ShardId kShard = 3;

// What has happened, in order. Any thread.
class Events {
 public:
  void Add(const std::string& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
    changed_.notify_all();
  }
  // All, once there are so many, or `patience` is over.
  std::vector<std::string> Await(size_t count, std::chrono::milliseconds patience = kPatience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return events_.size() >= count; });
    return events_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> events_;
};

// A statekeeper's side of calls, which notes what it is asked and answers when told to.
class Member final : private LinkService {
 public:
  explicit Member(uint64_t id) : id_(id), peers_(id, nullptr) {}
  ~Member() override { server_.reset(); }

  CallPeers* peers() { return &peers_; }
  Events* asked() { return &asked_; }

  void Listen() {
    LinkServer::Config config;
    config.addresses = {"unix:" + path_};
    config.incarnation = id_;
    config.services = {this};
    server_ = NewLinkServer(config);
    std::string error;
    if (!server_->Start(&error)) throw std::runtime_error(error);
  }
  // What was taken from others is deaf to them from here on, and loses what was begun.
  void Die() { server_.reset(); }

  // `view`: where it finds out where to.
  void Answer(uint64_t number, const std::string& payload, const ClusterView& view) {
    calls::Answer answer;
    answer.set_number(number);
    answer.set_payload(payload);
    peers_.Answer(caller_, std::move(answer));
    peers_.Look(view);
  }

  MemberView View() const {
    MemberView view;
    view.id = fmt::format("{:016x}", id_);
    view.unix_path = path_;
    return view;
  }

 private:
  grpc::Service* service() override { return &service_; }
  void Serve(CompletionThread* thread) override {
    peers_.Use(thread);
    AcceptUnary(thread, &service_, &calls::Calls::AsyncService::RequestDeliver,
                [this](const grpc::ServerContext&, const calls::Batch& batch,
                       const std::shared_ptr<UnaryCall<calls::Delivered>>& call) {
                  caller_ = batch.from();
                  if (peers_.OnBatch(batch)) {
                    for (const calls::Request& request : batch.requests())
                      asked_.Add(fmt::format("{} {} {}", request.number(), request.hub(), request.payload()));
                  } else {
                    asked_.Add("again");
                  }
                  call->Answer({});
                });
  }
  void Stop() override { peers_.Use(nullptr); }

  const uint64_t id_;
  TempDir directory_;
  const std::string path_ = directory_ / "s.sock";
  Events asked_;
  std::atomic<uint64_t> caller_ = 0;
  CallPeers peers_;
  calls::Calls::AsyncService service_;
  std::unique_ptr<LinkServer> server_;
};

class CallPeersTest : public testing::Test {
 protected:
  CallPeersTest() {
    here_.Listen();
    view_.shard_count = 8;
    view_.members = {here_.View(), there_.View()};
    for (ShardId shard = 0; shard < 8; ++shard) view_.shards.push_back({shard, 1, there_.View().id, ""});
  }

  void Send(const std::string& payload, int64_t patience_ms = 60'000) {
    calls::Request request;
    request.set_hub("app/a");
    request.set_payload(payload);
    here_.peers()->Send(
        there_.View(), kShard, std::move(request), SteadyMs() + patience_ms,
        [this, payload](const calls::Answer& answer) { said_.Add(payload + ": " + Described(answer)); });
  }
  static std::string Described(const calls::Answer& answer) {
    if (answer.not_owner()) return "elsewhere";
    if (!answer.failure().empty()) return answer.retryable() ? "lost" : "failed";
    return answer.payload();
  }

  // As HubCalls does, until so much was said.
  std::vector<std::string> LookUntilSaid(size_t count) {
    std::vector<std::string> said;
    for (int64_t until_ms = SteadyMs() + kPatience.count(); SteadyMs() < until_ms;) {
      here_.peers()->Look(view_);
      said = said_.Await(count, kLook);
      if (said.size() >= count) break;
    }
    return said;
  }
  // The last answer may be here before it is known that what was asked has arrived. False: something waits for ever.
  bool LookUntilNothingWaits() {
    const int64_t until_ms = SteadyMs() + kPatience.count();
    while (here_.peers()->Look(view_)) {
      if (SteadyMs() >= until_ms) return false;
      std::this_thread::sleep_for(kLook);
    }
    return true;
  }
  // Another member has the shards; this one is suspected of being dead.
  void TakeOver() {
    for (ShardEntry& entry : view_.shards) entry = {entry.shard, entry.epoch + 1, here_.View().id, ""};
    view_.members[1].suspected = true;
  }

  Events said_;
  Member here_{1};
  Member there_{2};
  ClusterView view_;
};

TEST_F(CallPeersTest, CallsArriveInOrderAndAnswersFindWhoWaits) {
  there_.Listen();
  Send("x");
  Send("y");
  Send("z");
  EXPECT_THAT(there_.asked()->Await(3), ElementsAre("1 app/a x", "2 app/a y", "3 app/a z"));
  there_.Answer(2, "Y", view_);
  EXPECT_THAT(said_.Await(1), ElementsAre("y: Y"));
  there_.Answer(1, "X", view_);
  there_.Answer(3, "Z", view_);
  EXPECT_THAT(said_.Await(3), ElementsAre("y: Y", "x: X", "z: Z"));
  EXPECT_TRUE(LookUntilNothingWaits()) << "nothing waits any more";
}

TEST_F(CallPeersTest, WhatCannotLeaveWaitsForItsMember) {
  Send("x");
  EXPECT_TRUE(here_.peers()->Look(view_));
  there_.Listen();
  EXPECT_TRUE(here_.peers()->Look(view_));
  EXPECT_THAT(there_.asked()->Await(1), ElementsAre("1 app/a x"));
  there_.Answer(1, "X", view_);
  EXPECT_THAT(LookUntilSaid(1), ElementsAre("x: X"));
}

TEST_F(CallPeersTest, WhatHasNotLeftGoesToTheNextOwner) {
  Send("x");
  Send("y");
  EXPECT_THAT(said_.Await(1, kLook), IsEmpty());
  TakeOver();
  EXPECT_THAT(LookUntilSaid(2), ElementsAre("x: elsewhere", "y: elsewhere"));
  there_.Listen();
  Send("z");
  EXPECT_THAT(there_.asked()->Await(1), ElementsAre("3 app/a z")) << "and does not come later";
}

TEST_F(CallPeersTest, WhatHasNotLeftGoesToTheNextOwnerOfOneThatIsNoMemberAnyMore) {
  Send("x");
  view_.members.pop_back();
  EXPECT_THAT(LookUntilSaid(1), ElementsAre("x: elsewhere"));
}

TEST_F(CallPeersTest, WhatHasLeftIsLostWithItsMember) {
  there_.Listen();
  Send("x");
  there_.asked()->Await(1);
  there_.Die();
  Send("y");
  EXPECT_TRUE(here_.peers()->Look(view_));
  EXPECT_THAT(said_.Await(1, kLook), IsEmpty()) << "it still owns the shard, for all that is known";
  TakeOver();
  EXPECT_THAT(LookUntilSaid(2), testing::Contains("x: lost"));
}

TEST_F(CallPeersTest, WhatHasLeftIsAnsweredByAMemberThatHandsOver) {
  there_.Listen();
  Send("x");
  there_.asked()->Await(1);
  TakeOver();
  view_.members[1].suspected = false;
  EXPECT_TRUE(here_.peers()->Look(view_));
  there_.Answer(1, "X", view_);
  EXPECT_THAT(LookUntilSaid(1), ElementsAre("x: X"));
}

TEST_F(CallPeersTest, NobodyWaitsLongerThanHeWants) {
  Send("x", 0);
  there_.Listen();
  Send("y", 0);
  there_.asked()->Await(1);
  EXPECT_THAT(LookUntilSaid(2), ElementsAre("x: lost", "y: lost"));
}

TEST_F(CallPeersTest, ABatchIsTakenOnce) {
  calls::Batch batch;
  batch.set_from(7);
  batch.set_number(1);
  EXPECT_TRUE(here_.peers()->OnBatch(batch));
  EXPECT_FALSE(here_.peers()->OnBatch(batch));
  batch.set_number(2);
  EXPECT_TRUE(here_.peers()->OnBatch(batch));
  batch.set_from(8);
  batch.set_number(1);
  EXPECT_TRUE(here_.peers()->OnBatch(batch)) << "each member counts its own";
}

}  // namespace
}  // namespace dormouse
