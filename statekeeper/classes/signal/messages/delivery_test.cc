// Messages between actors on their way to somebody who is away: in which order they are, and what of an event
// that comes again.
#include <gmock/gmock.h>

#include <string>

#include "statekeeper/classes/signal/testing/resume_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class DeliveryTest : public ResumeStage {};

TEST_F(DeliveryTest, ARepeatedEventKeepsNoSecondCopy) {
  const Welcome me = Me();
  const ConnectionId sender = Sender();
  hub().ConnectionBreaks(me.client);
  const std::string one =
      Envelope("hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":1})");
  Message message = Message::Text(one);
  message.received_ms = hub().now_ms();
  hub().ClientSends(sender, message);
  hub().ClientSends(sender, message);  // the same id in the same millisecond, and yet another
  hub().Sleep();
  hub().Advance(500);
  message.repeated = true;
  hub().ClientSends(sender, message);
  hub().ClientSends(sender, message);
  hub().ClientSends(sender, message);  // this one was not handled before
  EXPECT_THAT(Frames(sender), SizeIs(5));
  EXPECT_THAT(Arrive(me.token()).numbers, SizeIs(3));
}

TEST_F(DeliveryTest, ARepeatedEventFindsItsMessageAlsoWhenThatCameBack) {
  const Welcome me = Me();
  const ConnectionId sender = Sender();
  Message message;
  const std::string one =
      Envelope("hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":1})");
  message.data = one;
  message.received_ms = hub().now_ms();
  hub().ClientSends(sender, message);
  const std::string lost = One(me.client).text;
  hub().ConnectionBreaks(me.client);
  hub().ReturnUndelivered(me.client, lost);
  hub().Sleep();
  message.repeated = true;
  hub().ClientSends(sender, message);
  EXPECT_THAT(Arrive(me.token()).numbers, ElementsAre("1"));
}

TEST_F(DeliveryTest, ARepeatedEventsMessageStandsWhereItWasSentAndIsNoSecondOneWhenTheFirstComesBack) {
  const Welcome me = Me();
  Message message;
  const std::string zero =
      Envelope("hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":0})");
  message.data = zero;
  message.received_ms = hub().now_ms();
  hub().ClientSends(Sender(), message);
  const std::string lost = One(me.client).text;
  Frames(Sender());
  hub().HoldRecalls();
  hub().ConnectionBreaks(me.client);
  hub().Advance(5);
  Send(1);
  hub().Sleep();
  message.repeated = true;
  hub().ClientSends(Sender(), message);
  hub().ReturnUndelivered(me.client, lost);
  Frames(Sender());
  const ConnectionId client = Come(me.token());
  hub().FinishRecalls();
  EXPECT_THAT(Read(client).numbers, ElementsAre("0", "1"));
}

TEST_F(DeliveryTest, MessagesHaveAscendingIds) {
  const Welcome me = Me();
  std::string last;
  for (int n = 0; n < 50; ++n) {
    if (n % 7 == 0) hub().Advance(1);
    Send(n);
    const std::string id = One(me.client).String("id");
    EXPECT_LT(last, id);
    last = id;
  }
}

}  // namespace
}  // namespace dormouse::signal
