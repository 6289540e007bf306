#include "gateway/api/api_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace dormouse {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kLongestMs = 10'000;
constexpr char kConnection[] = "0b9fcb0a-6c1e-4d5b-8a3f-8f1a2b3c4d5e";

// The target of "POST PATH"; nothing: `*refusal`.
std::optional<ApiTarget> TargetOf(const std::string& path, HttpReply* refusal,
                                  const std::string& method = "POST", const std::string& headers = "") {
  const std::string head = method + " " + path + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n";
  HttpRequest request;
  if (!ParseHttpRequest(head, &request, refusal)) return std::nullopt;
  return ReadApiTarget(request, kLongestMs, refusal);
}

// What a body means; what is wrong with it, where something is.
std::string Understood(const std::string& verb, const std::string& body) {
  ApiTarget target;
  target.hub = "echo/a";
  target.verb = verb;
  target.timeout_ms = kLongestMs;
  HttpReply refusal;
  const auto request = ReadApiRequest(target, body, &refusal);
  if (!request) return refusal.body;
  std::string text;
  for (const api::Command& command : request->commands())
    text += (text.empty() ? "" : "; ") + command.ShortDebugString();
  return text;
}

TEST(ApiWords, APathNamesHubAndVerb) {
  HttpReply refusal;
  const auto target =
      TargetOf("/api/hubs/signal/room-1/publish?timeout=2s", &refusal, "POST", "Idempotency-Key: abc\r\n");
  ASSERT_TRUE(target) << refusal.body;
  EXPECT_EQ(target->hub, "signal/room-1");
  EXPECT_EQ(target->verb, "publish");
  EXPECT_EQ(target->idempotency_key, "abc");
  EXPECT_EQ(target->timeout_ms, 2'000);
  EXPECT_EQ(TargetOf("/api/hubs/a/b/call?timeout=1h", &refusal)->timeout_ms, kLongestMs);
  EXPECT_EQ(TargetOf("/api/hubs/a/b/call", &refusal)->timeout_ms, kLongestMs);
}

TEST(ApiWords, AnObjectIsFoundByItsName) {
  HttpReply refusal;
  // As idFromName('lobby').toString() of clients/hubs/js/namespaces/ids.mjs, for class Counter.
  EXPECT_EQ(TargetOf("/api/hubs/Counter/name:lobby/call", &refusal)->hub,
            "Counter/01735ca0090014e0e86c08c1c789298a97d9c53f516793256c3599c30564645a");
  EXPECT_EQ(TargetOf("/api/hubs/Counter/name%3Alobby/call", &refusal)->hub,
            TargetOf("/api/hubs/Counter/name:lobby/call", &refusal)->hub);
  EXPECT_FALSE(TargetOf("/api/hubs/Counter/name:/call", &refusal));
  EXPECT_EQ(refusal.status, 400);
}

TEST(ApiWords, WhoErrsIsToldTheNearestName) {
  HttpReply refusal;
  EXPECT_FALSE(TargetOf("/api/hubs/echo/a/brodcast", &refusal));
  EXPECT_EQ(refusal.status, 404);
  EXPECT_THAT(refusal.body, AllOf(HasSubstr("unknown_verb"), HasSubstr("is it to be broadcast?")));
  EXPECT_FALSE(TargetOf("/api/hubs/echo/a/send", &refusal, "GET"));
  EXPECT_EQ(refusal.status, 405);
  EXPECT_FALSE(TargetOf("/api/hubs/echo/a b/send", &refusal));
  EXPECT_FALSE(TargetOf("/api/hubs/echo/a/send?x=1", &refusal));
  EXPECT_THAT(Understood("send", R"({"connecton":"x","data":1})"), HasSubstr("is it to be connection?"));
}

TEST(ApiWords, WhatIsSentIsTextJsonOrBytes) {
  EXPECT_EQ(Understood("send", R"({"tag":"t","data":"say \"x\""})"),
            R"(send { tag: "t" data { json: "\"say \\\"x\\\"\"" text: "say \"x\"" } })");
  EXPECT_EQ(Understood("send", R"({"tag":"t","data": {"a": 1} })"),
            R"(send { tag: "t" data { json: "{\"a\": 1}" } })");
  EXPECT_EQ(Understood("broadcast", R"({"base64":"aGk="})"), R"(broadcast { data { binary: "hi" } })");
  EXPECT_THAT(Understood("broadcast", R"({"base64":"aGk=","data":1})"), HasSubstr("what is to be sent"));
  EXPECT_THAT(Understood("broadcast", "{}"), HasSubstr("what is to be sent"));
  EXPECT_THAT(Understood("publish", R"({"topic":"t","type":"x","base64":"aGk="})"),
              HasSubstr("no field base64"));
}

TEST(ApiWords, ExactlyOneIsNamed) {
  EXPECT_THAT(Understood("send", R"({"tag":"t","actor":"a","data":1})"), HasSubstr("to whom"));
  EXPECT_THAT(Understood("disconnect", "{}"), HasSubstr("whom"));
  EXPECT_THAT(Understood("disconnect", R"({"all":false})"), HasSubstr("only be true"));
  EXPECT_EQ(Understood("disconnect", R"({"all":true,"code":4001,"reason":"r"})"),
            R"(disconnect { all: true code: 4001 reason: "r" })");
  EXPECT_THAT(Understood("disconnect", R"({"all":true,"code":1006})"), HasSubstr("3000-4999"));
}

TEST(ApiWords, ABatchIsOfWhatCanBeTakenBack) {
  EXPECT_EQ(Understood("batch", R"({"commands":[{"verb":"send","connection":")" + std::string(kConnection) +
                                    R"(","data":1},{"verb":"disconnect","all":true}]})"),
            "send { connection: \"" + std::string(kConnection) +
                "\" data { json: \"1\" } }; disconnect { all: true code: 1000 }");
  EXPECT_THAT(Understood("batch", R"({"commands":[{"verb":"evict"}]})"), HasSubstr("Command 0"));
  EXPECT_THAT(Understood("batch", R"({"commands":[]})"), HasSubstr("1 to 1000"));
}

TEST(ApiWords, ACallsBodyIsItsPayload) {
  EXPECT_EQ(Understood("call", " [1, 2]\n"), R"(call { payload: "[1, 2]\n" })");
  EXPECT_THAT(Understood("call", "[1,"), HasSubstr("JSON"));
  EXPECT_THAT(Understood("connections", "[]"), HasSubstr("not a JSON object"));
  EXPECT_EQ(Understood("connections", ""), "connections { }");
}

TEST(ApiWords, TheKeyMayStandInTheBody) {
  ApiTarget target;
  target.hub = "echo/a";
  target.verb = "broadcast";
  HttpReply refusal;
  const std::string body = R"({"data":1,"idempotencyKey":"k"})";
  const auto request = ReadApiRequest(target, body, &refusal);
  ASSERT_TRUE(request) << refusal.body;
  EXPECT_EQ(request->idempotency_key(), "k");
  target.idempotency_key = "k";
  EXPECT_TRUE(ReadApiRequest(target, body, &refusal));
  target.idempotency_key = "other";
  EXPECT_FALSE(ReadApiRequest(target, body, &refusal));
  EXPECT_THAT(refusal.body, HasSubstr("differ"));
}

TEST(ApiWords, RepliesOfHostsAreUnwrapped) {
  const auto of = [](const std::string& payload) {
    api::Reply reply;
    reply.add_results()->set_payload(payload);
    return ApiReplyOf("call", reply);
  };
  EXPECT_EQ(of(R"({"value":{"n":1}})").body, "{\"result\":{\"n\":1}}\n");
  EXPECT_EQ(of(R"({"n":1})").body, "{\"result\":{\"n\":1}}\n");
  EXPECT_EQ(of("").body, "{\"result\":null}\n");
  const HttpReply thrown = of(R"({"error":{"type":"TypeError","message":"no"}})");
  EXPECT_EQ(thrown.status, 500);
  EXPECT_THAT(thrown.body, HasSubstr("TypeError: no"));
  EXPECT_EQ(of("no json").status, 500);
}

TEST(ApiWords, ErrorsSayWhetherItMayHaveHappened) {
  api::Reply reply;
  reply.mutable_error()->set_code(api::Error::TIMEOUT);
  reply.mutable_error()->set_message("Too late.");
  reply.mutable_error()->set_retryable(true);
  reply.mutable_error()->set_unknown(true);
  const HttpReply said = ApiReplyOf("call", reply);
  EXPECT_EQ(said.status, 504);
  EXPECT_THAT(said.body, AllOf(HasSubstr(R"("mayHaveHappened":true)"), HasSubstr("Idempotency-Key")));
  reply.mutable_error()->set_code(api::Error::BUSY);
  EXPECT_THAT(ApiReplyOf("call", reply).headers, testing::ElementsAre(testing::Pair("Retry-After", "1")));
}

TEST(ApiWords, WhatComesOverGrpcIsMadeWhatHttpWouldHaveMadeOfIt) {
  api::Request request;
  request.set_hub("Counter/name:lobby");
  request.add_commands()->mutable_send()->set_tag("t");
  request.mutable_commands(0)->mutable_send()->mutable_data()->set_text("say \"hi\"");
  request.add_commands()->mutable_disconnect()->set_all(true);
  EXPECT_EQ(CompleteApiRequest(5'000, &request), "");
  EXPECT_EQ(request.hub().size(), std::string("Counter/").size() + 64);
  EXPECT_EQ(request.timeout_ms(), 5'000u);
  EXPECT_EQ(request.commands(0).send().data().json(), R"("say \"hi\"")");
  EXPECT_EQ(request.commands(1).disconnect().code(), 1000u);
}

TEST(ApiWords, WhatIsWrongOverGrpcIsASentence) {
  const auto wrong = [](const std::function<void(api::Request*)>& make) {
    api::Request request;
    request.set_hub("echo/lobby");
    make(&request);
    return CompleteApiRequest(5'000, &request);
  };
  EXPECT_THAT(wrong([](api::Request* r) { r->set_hub("echo"); }), HasSubstr("A hub's name"));
  EXPECT_THAT(wrong([](api::Request*) {}), HasSubstr("1 to 1000 commands"));
  EXPECT_THAT(wrong([](api::Request* r) { r->add_commands(); }), HasSubstr("no such command"));
  EXPECT_THAT(wrong([](api::Request* r) { r->add_commands()->mutable_call()->set_payload("{"); }),
              HasSubstr("payload"));
  EXPECT_THAT(wrong([](api::Request* r) { r->add_commands()->mutable_broadcast(); }),
              HasSubstr("what is to be sent"));
  EXPECT_THAT(wrong([](api::Request* r) {
                r->add_commands()->mutable_broadcast()->mutable_data()->set_text("\xff");
              }),
              HasSubstr("UTF-8"));
  EXPECT_THAT(wrong([](api::Request* r) {
                r->add_commands()->mutable_disconnect()->set_all(true);
                r->mutable_commands(0)->mutable_disconnect()->set_code(1006);
              }),
              HasSubstr("`code`"));
}

}  // namespace
}  // namespace dormouse
