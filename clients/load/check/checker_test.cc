// Made-up histories, each with one promise that is kept or broken.
#include "clients/load/check/checker.h"

#include <gmock/gmock.h>

#include <functional>
#include <vector>

namespace dormouse::load::check {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr uint32_t kHubs = 2;
constexpr uint32_t kClients = 6;  // 0, 2, 4 are of hub 0; 1, 3, 5 of hub 1
constexpr Micros kSecond = 1'000'000;

// Clients that are registered, with version 1, and subscribed to topic 0 when a test begins.
class CheckerTest : public testing::Test {
 protected:
  CheckerTest() {
    for (ClientId client = 0; client < kClients; ++client) {
      Begin(client, false);
      Ask(client, Kind::kRegister, {}, 1);
      Ask(client, Kind::kSubscribe);
    }
  }

  // Everything takes a millisecond.
  Micros Tick() { return now_ += 1000; }
  void Pass(Micros time) { now_ += time; }

  void Begin(ClientId client, bool resumed, uint32_t missed = 0) {
    history_.Add(Tick(), Session{.client = client, .missed = missed, .resumed = resumed});
  }
  void Close(ClientId client, int code = 1006) {
    history_.Add(Tick(), Closed{.client = client, .code = code, .words = history_.Words("reset")});
  }
  OperationId Sends(Kind kind, ClientId client, ClientId target = kNobody, uint32_t topic = 0) {
    const OperationId operation = history_.NextOperation();
    history_.Add(
        Tick(),
        Sent{.operation = operation, .client = client, .target = target, .topic = topic, .kind = kind});
    return operation;
  }
  void Answers(OperationId operation, ClientId client, Outcome outcome = Outcome::kAcknowledged,
               uint32_t version = 0) {
    const uint32_t words = outcome == Outcome::kRefused ? history_.Words("internal_error: no") : 0;
    history_.Add(Tick(), Answered{.operation = operation,
                                  .client = client,
                                  .version = version,
                                  .words = words,
                                  .outcome = outcome});
  }
  OperationId Ask(ClientId client, Kind kind, Outcome outcome = {}, uint32_t version = 0,
                  uint32_t topic = 0) {
    const OperationId operation = Sends(kind, client, kNobody, topic);
    Answers(operation, client, outcome, version);
    return operation;
  }
  // An acknowledged send.
  OperationId Send(ClientId from, ClientId to) {
    const OperationId operation = Sends(Kind::kSend, from, to);
    Answers(operation, from);
    return operation;
  }
  void Arrives(OperationId operation, ClientId client, uint64_t frame = 0) {
    ArrivesAddressed(operation, client, client, frame);
  }
  void ArrivesAddressed(OperationId operation, ClientId client, ClientId addressed, uint64_t frame = 0) {
    history_.Add(Tick(), Arrived{.operation = operation,
                                 .frame = frame == 0 ? operation : frame,
                                 .client = client,
                                 .addressed = addressed});
  }
  void Finds(ClientId client, uint32_t version) {
    history_.Add(Tick(), Found{.client = client, .version = version});
  }

  // Finds everybody's registration in its version, but for those that the test has found.
  Verdict Judge(const std::vector<ClientId>& found = {}) {
    for (ClientId client = 0; client < kClients; ++client) {
      if (std::ranges::find(found, client) == found.end()) Finds(client, 1);
    }
    return Check(Ledger(history_), rules_);
  }

  Rules rules_;
  History history_{kClients, kHubs};

 private:
  Micros now_ = 0;
};

TEST_F(CheckerTest, FindsNothingWhereAllIsWell) {
  Arrives(Send(0, 2), 2);
  const OperationId tell = Sends(Kind::kTell, 0, 4);
  Arrives(tell, 4);
  const OperationId publication = Ask(2, Kind::kPublish);
  for (const ClientId client : {0, 2, 4}) Arrives(publication, client);
  const OperationId broadcast = Ask(1, Kind::kBroadcast);
  for (const ClientId client : {3, 5}) Arrives(broadcast, client);
  Ask(0, Kind::kHeartbeat);
  const Verdict verdict = Judge();
  EXPECT_TRUE(verdict.kept());
  EXPECT_THAT(verdict.words, IsEmpty());
  EXPECT_EQ(verdict.sent, 2 * kClients + 5);
  EXPECT_EQ(verdict.acknowledged, 2 * kClients + 4);
  EXPECT_EQ(verdict.delivered, 7U);
  EXPECT_FALSE(verdict.incomplete());
}

TEST_F(CheckerTest, FindsALostMessage) {
  Arrives(Send(0, 2), 2);
  const OperationId lost = Send(0, 2);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.lost, 1U);
  EXPECT_EQ(verdict.broken, 1U);
  EXPECT_THAT(verdict.words, ElementsAre(AllOf(HasSubstr("lost: operation " + std::to_string(lost)),
                                               HasSubstr("by client 0 of hub 0 at"),
                                               HasSubstr("did not arrive at client 2"))));
  EXPECT_TRUE(verdict.incomplete());
}

TEST_F(CheckerTest, DemandsNothingOfWhatFailedForTheTimeBeing) {
  Ask(0, Kind::kSend, Outcome::kRetryable);
  const OperationId unanswered = Sends(Kind::kSend, 0, 2);
  Answers(unanswered, 0, Outcome::kRetryable);
  const Verdict verdict = Judge();
  EXPECT_TRUE(verdict.kept());
  EXPECT_EQ(verdict.failed_retryable, 2U);
}

TEST_F(CheckerTest, ExpectsAPublicationAtAllWhoAreSubscribedForCertain) {
  const OperationId publication = Ask(0, Kind::kPublish);
  Arrives(publication, 0);
  Arrives(publication, 2);
  EXPECT_EQ(Judge().lost, 1U);
}

TEST_F(CheckerTest, LeavesOpenWhetherAPublicationMeetsAChangeOfTheSubscription) {
  const OperationId off = Sends(Kind::kUnsubscribe, 2);
  const OperationId on = Sends(Kind::kSubscribe, 4, kNobody, 7);
  const OperationId publication = Ask(0, Kind::kPublish);
  Arrives(publication, 0);
  Arrives(publication, 4);
  const OperationId other = Ask(0, Kind::kPublish, {}, 0, 7);
  Answers(off, 2);
  Answers(on, 4);
  EXPECT_TRUE(Judge().kept());
  Arrives(publication, 2);
  Arrives(other, 4);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.misdelivered, 0U);
  EXPECT_EQ(verdict.lost, 0U);
}

TEST_F(CheckerTest, FindsAPublicationAtOneWhoIsNotSubscribed) {
  Ask(2, Kind::kUnsubscribe);
  const OperationId publication = Ask(0, Kind::kPublish);
  for (const ClientId client : {0, 2, 4}) Arrives(publication, client);
  EXPECT_EQ(Judge().misdelivered, 1U);
}

TEST_F(CheckerTest, ExpectsPublicationsOfASubscriptionThatNobodyKnowsTheEndOf) {
  Ask(2, Kind::kUnsubscribe, Outcome::kRetryable);
  const OperationId publication = Ask(0, Kind::kPublish);
  Arrives(publication, 0);
  Arrives(publication, 4);
  EXPECT_TRUE(Judge().kept());
  Arrives(publication, 2);
  EXPECT_EQ(Judge().misdelivered, 0U);
}

TEST_F(CheckerTest, ExpectsABroadcastAtAllOthersOfTheHub) {
  const OperationId broadcast = Ask(0, Kind::kBroadcast);
  Arrives(broadcast, 2);
  EXPECT_EQ(Judge().lost, 1U);
  Arrives(broadcast, 0);  // its sender
  Arrives(broadcast, 1);  // of the other hub
  EXPECT_EQ(Judge().misdelivered, 2U);
}

TEST_F(CheckerTest, FindsALostTellOnceItsSenderHasHeardFromTheHub) {
  Sends(Kind::kTell, 0, 2);
  Ask(0, Kind::kHeartbeat);  // which the edge answers
  EXPECT_EQ(Judge().lost_tells, 0U);
  Ask(0, Kind::kDiscover);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.lost_tells, 1U);
  EXPECT_EQ(verdict.lost, 0U);
  EXPECT_FALSE(verdict.kept());
}

TEST_F(CheckerTest, LeavesATellToTheSocketThatItWentDownWith) {
  rules_.on_close = OnClose::kResume;
  Sends(Kind::kTell, 0, 2);
  Close(0);
  Begin(0, true);
  Ask(0, Kind::kDiscover);
  EXPECT_TRUE(Judge().kept());
}

TEST_F(CheckerTest, FindsAnAskThatNobodyAnswers) {
  Sends(Kind::kDiscover, 0);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.lost_asks, 1U);
  EXPECT_THAT(verdict.words, ElementsAre(HasSubstr("was never answered")));
}

TEST_F(CheckerTest, FindsAnAskThatWasAnsweredTooLate) {
  const OperationId late = Sends(Kind::kDiscover, 0);
  Pass(16 * kSecond);
  Answers(late, 0);
  EXPECT_EQ(Judge().lost_asks, 1U);
}

TEST_F(CheckerTest, CountsAnAskThatItsSocketDidNotOutlive) {
  rules_.on_close = OnClose::kResume;
  Sends(Kind::kSend, 0, 2);
  Close(0);
  Begin(0, true);
  const Verdict verdict = Judge();
  EXPECT_TRUE(verdict.kept());
  EXPECT_EQ(verdict.unanswered_at_close, 1U);
}

TEST_F(CheckerTest, CountsDuplicates) {
  const OperationId twice = Send(0, 2);
  Arrives(twice, 2, 11);
  Arrives(twice, 2, 11);
  Arrives(twice, 2, 12);
  const OperationId answered_twice = Ask(0, Kind::kDiscover);
  Answers(answered_twice, 0);
  Verdict verdict = Judge();
  EXPECT_TRUE(verdict.kept());
  EXPECT_EQ(verdict.duplicated, 3U);
  EXPECT_EQ(verdict.delivered, 1U);
  EXPECT_THAT(verdict.duplicates, ElementsAre(HasSubstr("under the same id"), HasSubstr("under another id"),
                                              HasSubstr("answered twice")));
  rules_.strict_duplicates = true;
  verdict = Judge();
  EXPECT_EQ(verdict.broken, 3U);
}

TEST_F(CheckerTest, FindsWhatComesInAnotherOrder) {
  const OperationId first = Send(0, 2);
  const OperationId second = Send(0, 2);
  const OperationId other = Send(4, 2);
  Arrives(other, 2);
  Arrives(second, 2);
  Arrives(first, 2);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.reordered, 1U);
  EXPECT_THAT(verdict.words, ElementsAre(HasSubstr("reordered: operation " + std::to_string(first))));
}

TEST_F(CheckerTest, LooksForTheOrderOfFirstArrivalsOnly) {
  const OperationId first = Send(0, 2);
  const OperationId second = Send(0, 2);
  for (const OperationId operation : {first, second, first}) Arrives(operation, 2);
  EXPECT_EQ(Judge().reordered, 0U);
}

TEST_F(CheckerTest, KnowsNoOrderOfTwoSocketsOfOneSender) {
  rules_.on_close = OnClose::kResume;
  const OperationId first = Sends(Kind::kSend, 0, 2);
  Close(0);
  Begin(0, true);
  const OperationId second = Send(0, 2);
  Arrives(second, 2);
  Arrives(first, 2);
  EXPECT_TRUE(Judge().kept());
}

TEST_F(CheckerTest, FindsAMessageAtTheWrongClient) {
  Arrives(Send(0, 2), 4);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.misdelivered, 1U);
  EXPECT_EQ(verdict.lost, 1U);
}

TEST_F(CheckerTest, FindsAMessageThatIsAddressedToAnother) {
  const OperationId operation = Send(0, 2);
  Arrives(operation, 2);
  ArrivesAddressed(operation, 2, 4);
  EXPECT_EQ(Judge().misdelivered, 1U);
}

TEST_F(CheckerTest, FindsAMessageThatNobodySent) {
  Arrives(9999, 2);
  Arrives(0, 2);
  Arrives(Ask(0, Kind::kDiscover), 2);
  EXPECT_EQ(Judge().misdelivered, 3U);
}

TEST_F(CheckerTest, FindsAnAnswerAtTheWrongClient) {
  Answers(Ask(0, Kind::kDiscover), 2);
  Answers(0, 2);
  EXPECT_EQ(Judge().misdelivered, 2U);
}

TEST_F(CheckerTest, FindsARefusal) {
  Ask(0, Kind::kDiscover, Outcome::kRefused);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.refused, 1U);
  EXPECT_THAT(verdict.words, ElementsAre(HasSubstr("internal_error: no")));
}

TEST_F(CheckerTest, FindsAClosedSocketWhereNoneIsToClose) {
  Close(0, 1011);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.broken, 1U);
  EXPECT_THAT(verdict.closes, ElementsAre(Pair(1011, 1)));
  EXPECT_THAT(verdict.words, ElementsAre(HasSubstr("with 1011 reset")));
}

TEST_F(CheckerTest, FindsASessionThatWasNotResumed) {
  rules_.on_close = OnClose::kResume;
  Close(0);
  Begin(0, false);
  Ask(0, Kind::kRegister, {}, 2);
  Finds(0, 2);
  const Verdict verdict = Judge({0});
  EXPECT_EQ(verdict.broken, 1U);
  EXPECT_EQ(verdict.reconnects, 1U);
  EXPECT_EQ(verdict.resumed, 0U);
  EXPECT_THAT(verdict.words, ElementsAre(HasSubstr("not resumed")));
  rules_.on_close = OnClose::kRegister;
  EXPECT_TRUE(Judge({0}).kept());
}

TEST_F(CheckerTest, FindsAClientThatDidNotComeBack) {
  rules_.on_close = OnClose::kRegister;
  Close(0);
  EXPECT_THAT(Judge().words, ElementsAre(HasSubstr("client 0 of hub 0 did not come back")));
}

TEST_F(CheckerTest, ExpectsMessagesAfterResuming) {
  rules_.on_close = OnClose::kResume;
  Close(2);
  const OperationId kept = Send(0, 2);
  const OperationId forgotten = Send(0, 2);
  Begin(2, true);
  Arrives(kept, 2);
  Verdict verdict = Judge();
  EXPECT_EQ(verdict.lost, 1U);
  EXPECT_EQ(verdict.resumed, 1U);
  Arrives(forgotten, 2);
  EXPECT_TRUE(Judge().kept());
}

TEST_F(CheckerTest, ForgivesAsManyAsTheHubOwnsUpTo) {
  rules_.on_close = OnClose::kResume;
  Close(2);
  Send(0, 2);
  Begin(2, true, 1);
  Verdict verdict = Judge();
  EXPECT_TRUE(verdict.kept());
  EXPECT_EQ(verdict.missed, 1U);
  Send(0, 2);
  EXPECT_EQ(Judge().lost, 1U);
}

TEST_F(CheckerTest, ForgivesWhatWasOnItsWayToASessionThatEnded) {
  rules_.on_close = OnClose::kRegister;
  const OperationId early = Send(0, 2);
  Pass(10 * kSecond);
  Send(0, 2);
  Close(2);
  Send(0, 2);
  Begin(2, false);
  Ask(2, Kind::kRegister, {}, 1);
  Verdict verdict = Judge();
  EXPECT_EQ(verdict.lost, 1U);
  EXPECT_EQ(verdict.gone_with_session, 2U);
  Arrives(early, 2);
  EXPECT_TRUE(Judge().kept());
  Send(0, 2);
  EXPECT_EQ(Judge().lost, 1U);
}

TEST_F(CheckerTest, LetsSubscriptionsFollowTheClientToItsNextSession) {
  rules_.on_close = OnClose::kRegister;
  Close(2);
  Begin(2, false);
  Ask(2, Kind::kRegister, {}, 1);
  const OperationId publication = Ask(0, Kind::kPublish);
  for (const ClientId client : {0, 4}) Arrives(publication, client);
  EXPECT_TRUE(Judge().kept());
  Arrives(publication, 2);
  EXPECT_TRUE(Judge().kept());
}

TEST_F(CheckerTest, FindsOneThatTheHubForgot) {
  const OperationId send = Sends(Kind::kSend, 0, 2);
  Answers(send, 0, Outcome::kUnknownActor);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.registrations_lost, 1U);
  EXPECT_THAT(verdict.words, ElementsAre(HasSubstr("found nobody under the address of client 2")));
}

TEST_F(CheckerTest, FindsARegistrationThatIsGoneInTheEnd) {
  Finds(2, 0);
  const Verdict verdict = Judge({2});
  EXPECT_EQ(verdict.registrations_lost, 1U);
  EXPECT_THAT(verdict.words, ElementsAre(HasSubstr("is not there at the end")));
}

TEST_F(CheckerTest, FindsARegistrationThatWentBack) {
  Ask(2, Kind::kRegister, {}, 2);
  Finds(2, 1);
  EXPECT_EQ(Judge({2}).registrations_lost, 1U);
}

TEST_F(CheckerTest, FindsAVersionThatIsGivenTwice) {
  Ask(2, Kind::kRegister, {}, 2);
  Ask(2, Kind::kRegister, {}, 2);
  Finds(2, 2);
  EXPECT_EQ(Judge({2}).registrations_lost, 1U);
}

TEST_F(CheckerTest, KnowsThatAFailedUpdateMayHaveTakenEffect) {
  Ask(2, Kind::kRegister, Outcome::kRetryable);
  Finds(2, 2);
  const Verdict verdict = Judge({2});
  EXPECT_TRUE(verdict.kept());
  EXPECT_EQ(verdict.applied_twice, 0U);
}

TEST_F(CheckerTest, CountsAnUpdateThatTookEffectTwice) {
  Ask(2, Kind::kRegister, {}, 3);
  Finds(2, 4);
  const Verdict verdict = Judge({2});
  EXPECT_TRUE(verdict.kept());
  EXPECT_EQ(verdict.applied_twice, 2U);
}

TEST_F(CheckerTest, DemandsThatEachRegistrationIsLookedUp) {
  const Verdict verdict = Judge({2});
  EXPECT_THAT(verdict.words, ElementsAre(HasSubstr("whether that of client 2 is there")));
}

TEST_F(CheckerTest, PutsTheFirstFiftyIntoWordsAndCountsTheRest) {
  for (int i = 0; i < 60; ++i) Send(0, 2);
  const Verdict verdict = Judge();
  EXPECT_EQ(verdict.words.size(), 50U);
  EXPECT_EQ(verdict.broken, 60U);
  EXPECT_EQ(verdict.lost, 60U);
}

}  // namespace
}  // namespace dormouse::load::check
