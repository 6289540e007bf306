#include "statekeeper/classes/signal/delivery/mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/ids.h"
#include "statekeeper/classes/signal/protocol/envelope.h"
#include "statekeeper/classes/testing/stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class MailboxTest : public testing::Test {
 protected:
  // The key of the n-th message.
  static std::string Key(int n, const std::string& to = "a/b") {
    return MessageKey(TimeOrderedIds().Next(1000 + n, 7u * static_cast<uint64_t>(n)),
                      EnvelopeHead("\"" + to + "\""));
  }
  bool Put(int n, std::string_view frame, bool unconfirmed = false) {
    bool kept = false;
    stage_.Run([&] { kept = Mailbox(hub_, options_, holder_).Put(Key(n), frame, unconfirmed); });
    return kept;
  }
  void Lose(const Lost& lost) {
    stage_.Run([&] { Mailbox(hub_, options_, holder_).AddLost(lost); });
  }
  std::vector<std::string> Frames() {
    std::vector<std::string> frames;
    Mailbox(hub_, options_, holder_).ForEach([&](const Mailbox::Kept& message) {
      frames.push_back(message.frame);
    });
    return frames;
  }
  // What a client gets that says so.
  std::vector<std::string> FramesFor(const Mailbox::Got& got) {
    std::vector<std::string> frames;
    for (const Mailbox::Kept& message : Mailbox(hub_, options_, holder_).MessagesFor(got)) {
      frames.push_back(message.frame);
    }
    return frames;
  }
  uint64_t Missed(const Mailbox::Got& got = std::nullopt) {
    return Mailbox(hub_, options_, holder_).MissedBy(got, [this](std::string_view) { return elsewhere_; });
  }

  uint64_t elsewhere_ = 0;
  Options options_;
  Stage stage_;
  FakeContext& hub_ = stage_.context();
  const ConnectionId holder_{NewGatewayId(), UuidLow(1)};
};

TEST_F(MailboxTest, KeepsInTheOrderOfSendingAndEachOnce) {
  EXPECT_TRUE(Put(2, "two"));
  EXPECT_TRUE(Put(3, "three"));
  EXPECT_TRUE(Put(1, "one"));
  EXPECT_TRUE(Put(2, "two"));
  EXPECT_THAT(Frames(), ElementsAre("one", "two", "three"));
  EXPECT_EQ(Missed(), 0u);
}

TEST_F(MailboxTest, OneMessageToTwoAddressesIsTwo) {
  stage_.Run([&] {
    Mailbox mailbox(hub_, options_, holder_);
    EXPECT_TRUE(mailbox.Put(Key(1, "a/1"), "to one"));
    EXPECT_TRUE(mailbox.Put(Key(1, "a/2"), "to two"));
  });
  EXPECT_EQ(Frames().size(), 2u);
}

TEST_F(MailboxTest, WhatFindsNoRoomIsCountedAndSoIsAllThatFollows) {
  options_.resume_bytes = 10;
  EXPECT_TRUE(Put(1, "12345"));
  EXPECT_FALSE(Put(2, "123456"));
  EXPECT_FALSE(Put(3, "1")) << "there would be room, but the beginning would have a gap";
  EXPECT_THAT(Frames(), ElementsAre("12345"));
  EXPECT_EQ(Missed(), 2u);
}

TEST_F(MailboxTest, CountIsBounded) {
  options_.resume_messages = 2;
  EXPECT_TRUE(Put(1, "1"));
  EXPECT_TRUE(Put(2, "2"));
  EXPECT_FALSE(Put(3, "3"));
  EXPECT_EQ(Missed(), 1u);
}

TEST_F(MailboxTest, WhatComesBackLateTakesTheRoomOfTheNewest) {
  options_.resume_messages = 3;
  for (const int n : {3, 4, 5, 6}) Put(n, std::to_string(n));
  EXPECT_TRUE(Put(1, "1"));
  EXPECT_TRUE(Put(2, "2"));
  EXPECT_THAT(Frames(), ElementsAre("1", "2", "3"));
  EXPECT_EQ(Missed(), 3u);
  EXPECT_FALSE(Put(4, "4")) << "it went before";
  EXPECT_EQ(Missed(), 4u);
}

TEST_F(MailboxTest, NoRoomAtAll) {
  options_.resume_messages = 0;
  EXPECT_FALSE(Put(2, "2"));
  EXPECT_FALSE(Put(1, "1"));
  EXPECT_THAT(Frames(), IsEmpty());
}

TEST_F(MailboxTest, LargeFramesTakeSeveralRows) {
  options_.resume_bytes = 4u << 20;
  std::string large(1u << 20, 'x');
  large += "end";
  EXPECT_TRUE(Put(1, large));
  EXPECT_TRUE(Put(2, "small"));
  EXPECT_THAT(Frames(), ElementsAre(large, "small"));
  EXPECT_GT(hub_.KeysWithPrefix("m/").size(), 8u);
}

TEST_F(MailboxTest, DroppingALargeOneDropsAllOfIt) {
  options_.resume_messages = 1;
  EXPECT_TRUE(Put(2, std::string(300'000, 'x')));
  EXPECT_TRUE(Put(1, "1"));
  EXPECT_THAT(Frames(), ElementsAre("1"));
  EXPECT_EQ(hub_.KeysWithPrefix("m/").size(), 1u);
}

TEST_F(MailboxTest, IsEmptiedInSteps) {
  for (int n = 1; n <= 25; ++n) Put(n, "x");
  size_t removed = 0;
  stage_.Run([&] { removed = Mailbox(hub_, options_, holder_).RemoveSome(20); });
  EXPECT_EQ(removed, 20u);
  stage_.Run([&] { removed = Mailbox(hub_, options_, holder_).RemoveSome(20); });
  EXPECT_EQ(removed, 5u);
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_F(MailboxTest, FindsWhatTheSameEventWrote) {
  Put(1, "one");
  TimeOrderedIds ids;
  const std::string again = MessageKey(ids.Next(9999, 7), EnvelopeHead("\"a/b\""));
  const std::string other = MessageKey(ids.Next(9999, 8), EnvelopeHead("\"a/b\""));
  const std::string to_another = MessageKey(ids.Next(9999, 7), EnvelopeHead("\"a/c\""));
  Mailbox mailbox(hub_, options_, holder_);
  const auto none = [](const std::string&) { return false; };
  EXPECT_EQ(mailbox.FindLike(again, none), Key(1));
  EXPECT_EQ(mailbox.FindLike(other, none), "");
  EXPECT_EQ(mailbox.FindLike(to_another, none), "");
  EXPECT_EQ(mailbox.FindLike(again, [](const std::string& key) { return key == Key(1); }), "");
}

TEST_F(MailboxTest, KeysOfFramesThatComeBack) {
  const std::string id = TimeOrderedIds().Next(1, 2);
  const std::string frame = R"x({"to":"@(a/b)","id":")x" + id + R"x(","type":"t"})x";
  EXPECT_EQ(MessageKeyOf(frame), MessageKey(id, EnvelopeHead("\"@(a/b)\"")));
  EXPECT_EQ(MessageIdOf(MessageKeyOf(frame)), id);
  EXPECT_EQ(MessageKeyOf(R"({"to":"a/b","id":"x"})"), "");
}

TEST_F(MailboxTest, WhatAClientMayHaveIsForThoseWhoSayThatTheyHaveNot) {
  Put(1, "one", /*unconfirmed=*/true);
  Put(2, std::string(250'000, '2'), /*unconfirmed=*/true);
  Put(3, "three");
  EXPECT_THAT(Frames(), ElementsAre("one", std::string(250'000, '2'), "three"));
  EXPECT_THAT(FramesFor(std::nullopt), ElementsAre("three"));
  EXPECT_THAT(FramesFor(""), ElementsAre("one", std::string(250'000, '2'), "three"));
  EXPECT_THAT(FramesFor(MessageIdOf(Key(1))), ElementsAre(std::string(250'000, '2'), "three"));
  EXPECT_THAT(FramesFor(MessageIdOf(Key(3))), IsEmpty());
}

TEST_F(MailboxTest, WhatTheGatewayCouldNotKeepIsMissedByThoseWhoHaveNothingLater) {
  Lose({.count = 5, .older = true});
  Lose({.count = 7, .older = true, .unconfirmed = true});
  EXPECT_EQ(Missed(), 5u);
  EXPECT_EQ(Missed(""), 12u);
  Put(10, "ten", /*unconfirmed=*/true);
  Put(20, "twenty");
  EXPECT_EQ(Missed(""), 12u);
  EXPECT_EQ(Missed(MessageIdOf(Key(9))), 12u) << "at most so many, and not none";
  EXPECT_EQ(Missed(MessageIdOf(Key(10))), 0u) << "they were sent before it";
  elsewhere_ = 8;
  EXPECT_EQ(Missed(MessageIdOf(Key(9))), 4u);
  elsewhere_ = 80;
  EXPECT_EQ(Missed(MessageIdOf(Key(9))), 0u);
  Lose({.count = 3});
  EXPECT_EQ(Missed(MessageIdOf(Key(20))), 3u);
  EXPECT_FALSE(Put(30, "no message after one that is missing"));
  EXPECT_EQ(Missed(MessageIdOf(Key(20))), 4u);
}

TEST_F(MailboxTest, WhatAClientMayHaveMakesRoomForWhatItCannotHave) {
  options_.resume_messages = 3;
  for (int i = 1; i <= 4; ++i) Put(i, std::to_string(i), /*unconfirmed=*/true);
  EXPECT_THAT(Frames(), ElementsAre("2", "3", "4"));
  EXPECT_TRUE(Put(5, "5"));
  EXPECT_TRUE(Put(6, "6"));
  EXPECT_THAT(Frames(), ElementsAre("4", "5", "6"));
  EXPECT_EQ(Missed(), 0u) << "all of them may have arrived";
  EXPECT_EQ(Missed(MessageIdOf(Key(2))), 3u) << "at most";
  EXPECT_EQ(Missed(MessageIdOf(Key(4))), 0u);
  EXPECT_TRUE(Put(7, "7"));
  EXPECT_FALSE(Put(8, "8"));
  EXPECT_THAT(Frames(), ElementsAre("5", "6", "7"));
  EXPECT_FALSE(Put(3, "3", /*unconfirmed=*/true)) << "it drives out nobody";
  EXPECT_THAT(Frames(), ElementsAre("5", "6", "7"));
  EXPECT_EQ(Missed(), 1u);
}

}  // namespace
}  // namespace dormouse::signal
