// hub:send, hub:broadcast and applications' own messages, as clients see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/testing/protocol_stage.h"

namespace dormouse::signal {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class SendingTest : public ProtocolStage {};
INSTANTIATE_TEST_SUITE_P(Styles, SendingTest, kStyles, NameOfStyle);

TEST_P(SendingTest, SendForAsk) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  const std::string data = R"({"z": 1.0e2,"a":"\u0041","a":[ ]})";
  const Frame ack = Ask(alice, "hub:send", "browser/alice",
                        R"({"to":)" + Q("browser/bob") + R"(,"type":"chat","data":)" + data + "}",
                        R"(,"ttl":30000,"metadata":{"traceId":"t","via":"forged"})");
  EXPECT_EQ(ack.type(), "hub:delivery_ack");
  const std::string now = std::to_string(hub_.now_ms());
  EXPECT_EQ(ack["payload"], R"({"messageId":")" + last_id_ + R"(","deliveredAt":)" + now +
                                R"(,"status":"delivered","delivered":true,"timestamp":)" + now + "}");
  EXPECT_EQ(hub_.rows_written() + hub_.attachments_written(), 0u) << "a message writes nothing";
  EXPECT_EQ(hub_.rows_read(), 1u);

  const Frame got = One(bob);
  EXPECT_EQ(got.type(), "chat");
  EXPECT_EQ(got["from"], Q("browser/alice"));
  EXPECT_EQ(got["to"], Q("browser/bob"));
  EXPECT_EQ(got["payload"], data) << "byte for byte";
  EXPECT_EQ(got["correlationId"], "null");
  EXPECT_EQ(got["ttl"], "30000");
  EXPECT_EQ(got["metadata"], R"({"traceId":"t","originalMessageId":")" + last_id_ +
                                 R"(","forwarded":true,"via":)" + Q("cloudflare/signal-hub") + "}");
}

TEST_P(SendingTest, SendForTellSaysNothing) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  EXPECT_THAT(Tell(alice, "hub:send", "browser/alice", R"({"to":"browser/bob","type":"chat"})"), IsEmpty());
  EXPECT_EQ(One(bob)["payload"], "null");
  EXPECT_THAT(Tell(alice, "hub:send", "browser/alice", R"({"to":"browser/nobody","type":"chat"})"),
              IsEmpty());
}

TEST_P(SendingTest, SendToTheEnvelopesAddressAndFlatAsThePublishedSpecificationHasIt) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  to_ = Q("browser/bob");
  EXPECT_EQ(Ask(alice, "hub:send", "browser/alice", R"({"type":"infer","prompt":"p"})").type(),
            "hub:delivery_ack");
  const Frame got = One(bob);
  EXPECT_EQ(got.type(), "infer");
  EXPECT_EQ(got["payload"], R"({"type":"infer","prompt":"p"})");
}

TEST_P(SendingTest, SendToNobody) {
  const ConnectionId alice = Actor("browser/alice");
  const Frame reply = Ask(alice, "hub:send", "browser/alice", R"j({"to":"@(no/body)","type":"t"})j");
  EXPECT_EQ(reply.type(), "hub:unknown_actor");
  EXPECT_EQ(reply["payload.actorAddress"], "\"@(no/body)\"");
  EXPECT_TRUE(IsJsonString(reply["payload.message"]));
}

TEST_P(SendingTest, SendRefusesBadPayloads) {
  const ConnectionId alice = Actor("browser/alice");
  for (const char* payload : {"null", "{}", R"({"to":"browser/alice"})", R"({"to":"browser/alice","type":7})",
                              R"({"to":7,"type":"t"})", R"({"type":"t","data":1})"}) {
    ExpectError(Ask(alice, "hub:send", "browser/alice", payload), "internal_error");
  }
  ExpectError(Ask(alice, "hub:send", "browser/alice", R"({"to":"browser/alice","type":"hub:disconnect"})"),
              "unauthorized");
}

TEST_P(SendingTest, ARecipientGetsAddressesInItsOwnForm) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Connect();
  const bool other_canonical = !GetParam().canonical;
  const auto other = [&](const std::string& bare) {
    return JsonQuoted(other_canonical ? "@(" + bare + ")" : bare);
  };
  Ask(bob, "hub:register", "x/y", R"({"actorAddress":)" + other("browser/bob") + R"(,"capabilities":["c"]})");
  Tell(alice, "hub:send", "browser/alice", R"({"to":)" + Q("browser/bob") + R"(,"type":"t"})");
  const Frame got = One(bob);
  EXPECT_EQ(got["to"], other("browser/bob"));
  EXPECT_EQ(got["from"], other("browser/alice"));
  EXPECT_EQ(got["metadata.via"], other("cloudflare/signal-hub"));
}

TEST_P(SendingTest, ApplicationTypesAreSentAsTheyAre) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  to_ = Q("browser/bob");
  EXPECT_THAT(Tell(alice, "chat", "browser/alice", R"({"n":1.0e2})"), IsEmpty());
  const Frame got = One(bob);
  EXPECT_EQ(got.type(), "chat");
  EXPECT_EQ(got["payload"], R"({"n":1.0e2})");
  EXPECT_EQ(got["metadata.forwarded"], "true");
  EXPECT_EQ(Ask(alice, "chat", "browser/alice", "1").type(), "hub:delivery_ack");
  One(bob);
  to_ = Q("browser/nobody");
  EXPECT_EQ(Ask(alice, "chat", "browser/alice", "1").type(), "hub:unknown_actor");
  EXPECT_THAT(Tell(alice, "chat", "browser/alice", "1"), IsEmpty());
  to_ = Q("cloudflare/signal-hub");
  ExpectError(Ask(alice, "chat", "browser/alice", "1"), "unknown_actor");
  EXPECT_THAT(Tell(alice, "chat", "browser/alice", "1"), IsEmpty());
}

TEST_P(SendingTest, Broadcast) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  Register(bob, "browser/bob-too");
  Connect();  // no actor, no copy
  const size_t fan_outs = hub_.fan_outs();
  hub_.ClientSends(alice, Envelope("hub:broadcast", "browser/alice", R"({"type":"t","data":[1.0]})", "tell"));
  const std::vector<Frame> to_alice = Frames(alice);
  ASSERT_THAT(to_alice, SizeIs(2)) << "her own copy, then the answer";
  EXPECT_EQ(to_alice[0]["to"], Q("browser/alice"));
  const Frame& ack = to_alice[1];
  ExpectAddressed(ack, "browser/alice");
  EXPECT_EQ(ack.type(), legacy() ? "hub:broadcast_ack" : "hub:delivery_ack");
  EXPECT_EQ(
      ack["payload"],
      R"({"messageId":")" + last_id_ +
          R"(","deliveredCount":3,"failedCount":0,"queuedCount":0,"delivered":true,"count":3,"timestamp":)" +
          std::to_string(hub_.now_ms()) + "}");
  EXPECT_EQ(hub_.fan_outs(), fan_outs + 1) << "all recipients share one message";
  EXPECT_EQ(hub_.rows_written(), 0u);

  const std::vector<Frame> to_bob = Frames(bob);
  ASSERT_THAT(to_bob, SizeIs(2)) << "one for each actor";
  EXPECT_EQ(to_bob[0]["to"], Q("browser/bob"));
  EXPECT_EQ(to_bob[1]["to"], Q("browser/bob-too"));
  EXPECT_EQ(to_bob[0].type(), "t");
  EXPECT_EQ(to_bob[0]["from"], Q("browser/alice"));
  EXPECT_EQ(to_bob[0]["payload"], "[1.0]");
  EXPECT_EQ(to_bob[0].String("correlationId"), last_id_);
  EXPECT_EQ(to_bob[0]["metadata"],
            R"({"broadcast":true,"forwarded":true,"via":)" + Q("cloudflare/signal-hub") + "}");
}

TEST_P(SendingTest, BroadcastToOthersAndToTheCapable) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Connect();
  Ask(bob, "hub:register", "x/y", R"({"actorAddress":"browser/bob","capabilities":["chat","gpu"]})");
  Actor("browser/carol");
  const auto reached = [&](const std::string& from, const std::string& payload,
                           const std::string& more = "") {
    hub_.ClientSends(alice, Envelope("hub:broadcast", from, payload, "ask", more));
    return Frames(alice).back().Number("payload.deliveredCount");
  };
  EXPECT_EQ(reached("browser/alice", R"({"type":"t","excludeSelf":true})"), 2);
  EXPECT_EQ(reached("browser/unknown", R"({"type":"t","excludeSelf":true})"), 2)
      << "it is alice under any name";
  EXPECT_EQ(reached("browser/alice", R"({"type":"t","excludeSelf":false})"), 3);
  EXPECT_EQ(reached("browser/alice", R"({"type":"t"})", R"(,"metadata":{"targetCapability":"gpu"})"), 1);
  EXPECT_EQ(reached("browser/alice", R"({"type":"t"})", R"(,"metadata":{"targetCapability":"none"})"), 0);
  ExpectError(Ask(alice, "hub:broadcast", "browser/alice", R"({"type":"t","excludeSelf":"yes"})"),
              "internal_error");
  ExpectError(Ask(alice, "hub:broadcast", "browser/alice", R"({"type":"t"})",
                  R"(,"metadata":{"targetCapability":1})"),
              "internal_error");
  ExpectError(Ask(alice, "hub:broadcast", "browser/alice", R"({"data":1})"), "internal_error");
}

TEST_P(SendingTest, BroadcastOverTheLimitReachesNobody) {
  Options options;
  options.broadcast_limit = 2;
  const auto limited = NewSignalClass(options);
  FakeContext hub(*limited);
  const ConnectionId client = hub.ClientConnects();
  const auto code = [&] {
    hub.TakeFrames(client);
    hub.ClientSends(client, Envelope("hub:broadcast", "a/1", R"({"type":"t"})", "ask"));
    const auto frames = hub.TakeFrames(client);
    return std::to_string(frames.size()) + " " + Frame{frames.back()}.String("payload.code");
  };
  for (const char* address : {"a/1", "a/2", "a/3"}) {
    hub.ClientSends(
        client,
        Envelope("hub:register", address,
                 std::string(R"({"actorAddress":")") + address + R"(","capabilities":["c"]})", "ask"));
    if (address == std::string("a/2")) {
      EXPECT_EQ(code(), "3 (no string)") << "the limit itself is allowed";
    }
  }
  EXPECT_EQ(code(), "1 BROADCAST_LIMIT_EXCEEDED");
}

}  // namespace
}  // namespace dormouse::signal
