#include "statekeeper/ownership/members/peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/temp_dir.h"
#include "statekeeper/link/link_server.h"
#include "statekeeper/ownership/members/peer_service.h"
#include "statekeeper/ownership/members/testing/manual_loop.h"

namespace dormouse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr MemberId kSelf = 1;
constexpr MemberId kOther = 2;
constexpr Duration kLong{60'000};

// A member as others see it: its service, at a unix socket. Offers it refuses.
class Endpoint {
 public:
  Endpoint(MemberId id, std::string path, std::shared_ptr<PeerCalls> calls = std::make_shared<PeerCalls>())
      : service_(id,
                 {[](MemberId) {},
                  [](const peer::OfferRequest& request, const PeerService::Reply& reply) {
                    peer::OfferAnswer answer;
                    answer.set_refused(true);
                    EXPECT_EQ(request.from(), kSelf);
                    reply(std::move(answer));
                  }},
                 std::move(calls)) {
    LinkServer::Config config;
    config.addresses = {"unix:" + path};
    config.incarnation = id;
    config.services = {&service_};
    server_ = NewLinkServer(config);
    std::string error;
    EXPECT_TRUE(server_->Start(&error)) << error;
  }

  void Tell(uint64_t changes, bool reaches_store) {
    peer::Note note;
    note.set_changes(changes);
    note.set_reaches_store(reaches_store);
    service_.Tell(note);
  }
  void End() { service_.Close(); }

 private:
  PeerService service_;
  std::unique_ptr<LinkServer> server_;
};

class PeersTest : public testing::Test {
 protected:
  PeersTest() { other_.Tell(0, true); }
  ~PeersTest() override { queue_->Close(); }

  // These are the others, at the other one's socket.
  void SetMembers(const std::vector<MemberId>& ids) {
    std::vector<Member> members(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      members[i].id = ids[i];
      members[i].unix_path = directory_ / "other";
    }
    peers_.SetMembers(members);
  }
  // Members are tried again whenever it is time.
  bool Await(const std::function<bool()>& condition) {
    return loop_.RunUntil([&] {
      peers_.Tick(SteadyClock::now());
      return condition();
    });
  }
  bool AwaitReachable() {
    return Await([this] { return peers_.IsReachable(kOther); });
  }

  const TempDir directory_;
  ManualLoop loop_;
  std::shared_ptr<TaskQueue> queue_ = std::make_shared<TaskQueue>(loop_.get());
  std::shared_ptr<PeerCalls> calls_ = std::make_shared<PeerCalls>();
  Endpoint self_{kSelf, directory_ / "self", calls_};  // calls are made on its thread
  Endpoint other_{kOther, directory_ / "other"};
  int changes_ = 0;
  int looks_ = 0;
  Peers peers_{kSelf, nullptr, queue_, calls_, {[this] { ++changes_; }, [this] { ++looks_; }}};
};

TEST_F(PeersTest, AMemberThatAnswersIsReachable) {
  SetMembers({kOther});
  EXPECT_TRUE(peers_.Knows(kOther));
  EXPECT_FALSE(peers_.IsReachable(kOther)) << "not before it has answered";
  EXPECT_FALSE(peers_.IsSettled());
  EXPECT_EQ(peers_.store(), Peers::Store::kUnknown);
  ASSERT_TRUE(AwaitReachable());
  EXPECT_TRUE(peers_.IsSettled());
  EXPECT_THAT(peers_.unreachable(), IsEmpty());
  EXPECT_EQ(peers_.store(), Peers::Store::kReached);
}

TEST_F(PeersTest, AMemberThatEndsIsUnreachable) {
  SetMembers({kOther});
  ASSERT_TRUE(AwaitReachable());
  other_.End();
  ASSERT_TRUE(Await([this] { return !peers_.IsReachable(kOther); }));
  EXPECT_THAT(peers_.unreachable(), ElementsAre(kOther));
  EXPECT_EQ(changes_, 1);
}

TEST_F(PeersTest, AnotherProcessAtItsAddressIsNotTheMember) {
  SetMembers({kOther + 1});
  ASSERT_TRUE(Await([this] { return !peers_.unreachable().empty(); }));
  EXPECT_THAT(peers_.unreachable(), ElementsAre(kOther + 1));
}

TEST_F(PeersTest, WhoIsSilentIsUnreachableUntilItIsHeard) {
  SetMembers({kOther});
  ASSERT_TRUE(AwaitReachable());
  peers_.Tick(SteadyClock::now() + Peers::kSilence);
  EXPECT_THAT(peers_.unreachable(), ElementsAre(kOther));
  EXPECT_TRUE(AwaitReachable());
  EXPECT_EQ(changes_, 2);
}

TEST_F(PeersTest, ANewMemberThatDoesNotAnswerInTimeIsUnreachable) {
  SetMembers({kOther});
  peers_.Tick(SteadyClock::now() + Peers::kAnswer);
  EXPECT_THAT(peers_.unreachable(), IsEmpty()) << "it may be starting";
  peers_.Tick(SteadyClock::now() + Peers::kFirstAnswer);
  EXPECT_THAT(peers_.unreachable(), ElementsAre(kOther));
}

TEST_F(PeersTest, TheSilenceOfAPauseIsForgiven) {
  SetMembers({kOther});
  ASSERT_TRUE(AwaitReachable());
  const SteadyTime later = SteadyClock::now() + kLong;
  peers_.Forgive(later);
  peers_.Tick(later + Peers::kSilence - Duration(1));
  EXPECT_THAT(peers_.unreachable(), IsEmpty());
}

TEST_F(PeersTest, WhatItSaysOfTheStoreAndOfNewsIsHeard) {
  SetMembers({kOther});
  ASSERT_TRUE(AwaitReachable());
  const int looks = looks_;
  other_.Tell(1, true);
  ASSERT_TRUE(Await([&] { return looks_ == looks + 1; }));
  other_.Tell(1, false);
  ASSERT_TRUE(Await([this] { return peers_.store() == Peers::Store::kAway; }));
  EXPECT_EQ(looks_, looks + 2);
}

TEST_F(PeersTest, WhoIsNoMemberAnyMoreIsNotUnreachable) {
  SetMembers({kOther + 1});
  ASSERT_TRUE(Await([this] { return !peers_.unreachable().empty(); }));
  SetMembers({});
  EXPECT_THAT(peers_.unreachable(), IsEmpty());
  EXPECT_EQ(changes_, 2);
}

TEST_F(PeersTest, AnOfferIsAnsweredByTheMemberAndOfNobodyNothingIsKnown) {
  SetMembers({kOther, kOther + 1});
  std::vector<MemberId> answered;
  std::unique_ptr<peer::OfferAnswer> refusal;
  peers_.Offer(kOther, {}, kLong, [&](std::unique_ptr<peer::OfferAnswer> answer) {
    answered.push_back(kOther);
    refusal = std::move(answer);
  });
  for (const MemberId nobody : {kOther + 1, kOther + 2}) {
    peers_.Offer(nobody, {}, kLong, [&, nobody](const std::unique_ptr<peer::OfferAnswer>& answer) {
      answered.push_back(nobody);
      EXPECT_EQ(answer, nullptr);
    });
  }
  EXPECT_THAT(answered, IsEmpty()) << "never at once";
  ASSERT_TRUE(Await([&] { return answered.size() == 3; }));
  ASSERT_NE(refusal, nullptr);
  EXPECT_TRUE(refusal->refused());
}

}  // namespace
}  // namespace dormouse
