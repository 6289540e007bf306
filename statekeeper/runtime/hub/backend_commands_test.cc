#include "statekeeper/runtime/hub/backend_commands.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "statekeeper/runtime/hub/kept_answers.h"
#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kHub[] = "counter/a";
const ConnectionId kOne{1, UuidLow(1)};

// Counts its calls; "throw" throws, "silent" says nothing.
class Counter : public Hub {
 public:
  explicit Counter(std::vector<std::string>* closed) : closed_(closed) {}
  void OnConnect(Context& context, const Connection& connection, const link::OpenRequest&) override {
    context.SetTags(connection.id, {"tag"});
  }
  void OnRequest(Context& context, std::string_view payload) override {
    const int count = std::stoi(context.Get("count").value_or("0")) + 1;
    context.Put("count", std::to_string(count));
    if (payload == "\"throw\"") throw std::runtime_error("as asked");
    if (payload != "\"silent\"") context.Reply(std::to_string(count));
  }
  void OnClose(Context&, const Connection& connection, const CloseInfo& info) override {
    closed_->push_back(fmt::format("{} {} {}", connection.id == kOne, info.code, info.reason));
  }

 private:
  std::vector<std::string>* const closed_;
};

class CounterClass : public HubClass {
 public:
  CounterClass() { profile_.set_name("counter"); }
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<Counter>(&closed); }
  mutable std::vector<std::string> closed;

 private:
  link::ClassProfile profile_;
};

class BackendCommandsTest : public testing::Test {
 protected:
  BackendCommandsTest() {
    auto counter = std::make_unique<CounterClass>();
    class_ = counter.get();
    lane_.classes.Register(std::move(counter));
    lane_.Serve();
    lane_.Open(kHub);
    lane_.Settle();
    lane_.Sent();
  }

  static api::Request CallOf(const std::string& payload, const std::string& key = "") {
    api::Request request;
    request.add_commands()->mutable_call()->set_payload(payload);
    request.set_idempotency_key(key);
    return request;
  }
  // Does not wait for the answer.
  void Begin(const api::Request& request, int64_t until_ms = 0) {
    lane_.host().router().OnRequest(
        kHub, std::make_shared<HubRequest>(std::make_shared<api::Request>(request), until_ms, 0,
                                           [this](HubRequest::Outcome outcome, const std::string& text) {
                                             outcomes_.push_back(outcome);
                                             api::Reply reply;
                                             if (outcome == HubRequest::Outcome::kAnswered)
                                               reply.ParseFromString(text);
                                             replies_.push_back(std::move(reply));
                                           }));
  }
  api::Reply Ask(const api::Request& request) {
    replies_.clear();
    Begin(request);
    lane_.Settle();
    return replies_.empty() ? api::Reply() : replies_.front();
  }
  std::string Count(const std::string& key, const std::string& payload = "1") {
    return Ask(CallOf(payload, key)).results_size() == 1 ? replies_.front().results(0).payload() : "";
  }
  void Sleep() {
    bool slept = false;
    lane_.host().operators().HibernateHub(
        kHub, [&](OperatorStatus status) { slept = status == OperatorStatus::kOk; });
    lane_.Settle();
    ASSERT_TRUE(slept);
  }
  size_t KeptRows() {
    size_t count = 0;
    for (const auto& [row, value] : lane_.store->hubs[kHub]) count += row.starts_with("i/") ? 1 : 0;
    return count;
  }

  HostedLane lane_;
  CounterClass* class_ = nullptr;
  std::vector<HubRequest::Outcome> outcomes_;
  std::vector<api::Reply> replies_;
};

TEST_F(BackendCommandsTest, ACallIsAnsweredWhenWhatItWroteIsDurable) {
  Begin(CallOf("1"));
  lane_.Turn();
  lane_.Turn();
  EXPECT_THAT(replies_, IsEmpty());
  lane_.Settle();
  ASSERT_THAT(replies_, SizeIs(1));
  EXPECT_EQ(replies_[0].results(0).payload(), "1");
}

TEST_F(BackendCommandsTest, ARepeatedKeyGetsTheFirstAnswerAlsoAfterSleep) {
  EXPECT_EQ(Count("k"), "1");
  EXPECT_FALSE(replies_[0].repeated_());
  EXPECT_EQ(Count("k"), "1");
  EXPECT_TRUE(replies_[0].repeated_());
  Sleep();
  EXPECT_EQ(Count("k"), "1");
  EXPECT_EQ(Count("other"), "2");
  EXPECT_EQ(Count(""), "3");
  EXPECT_EQ(Count(""), "4");
}

TEST_F(BackendCommandsTest, TwoOfOneKeyAtOnceCountOnce) {
  Begin(CallOf("1", "k"));
  Begin(CallOf("1", "k"));
  lane_.Settle();
  ASSERT_THAT(replies_, SizeIs(2));
  EXPECT_EQ(replies_[0].results(0).payload(), "1");
  EXPECT_EQ(replies_[1].results(0).payload(), "1");
}

TEST_F(BackendCommandsTest, AKeyIsOfOneRequest) {
  EXPECT_EQ(Count("k"), "1");
  EXPECT_EQ(Ask(CallOf("2", "k")).error().code(), api::Error::KEY_REUSED);
  EXPECT_EQ(Ask(CallOf("1", "no blanks")).error().code(), api::Error::BAD_REQUEST);
  EXPECT_EQ(Ask(CallOf("1", std::string(129, 'k'))).error().code(), api::Error::BAD_REQUEST);
  api::Request longer = CallOf("1", "k");
  longer.set_timeout_ms(5);
  EXPECT_EQ(Ask(longer).results(0).payload(), "1") << "the time that its caller has does not matter";
}

TEST_F(BackendCommandsTest, TheOldestAnswersGo) {
  for (uint64_t i = 0; i < KeptAnswers::kMost + 10; ++i) Count("k" + std::to_string(i));
  EXPECT_EQ(KeptRows(), 2 * KeptAnswers::kMost + 1);
  EXPECT_EQ(Count("k10"), "11");
  EXPECT_EQ(Count("k9"), std::to_string(KeptAnswers::kMost + 11)) << "it is not known any more";
}

TEST_F(BackendCommandsTest, WhatFailsIsNotKept) {
  EXPECT_EQ(Ask(CallOf("\"throw\"", "k")).error().code(), api::Error::HUB_FAILED);
  EXPECT_EQ(KeptRows(), 0u);
  EXPECT_EQ(Ask(CallOf("\"silent\"")).error().message(), "The hub has not answered.");
  EXPECT_EQ(Count(""), "2") << "what threw did not count";
}

TEST_F(BackendCommandsTest, WhoseTimeIsOverIsNotBegun) {
  Begin(CallOf("1"), 1);
  lane_.Settle();
  EXPECT_EQ(replies_[0].error().code(), api::Error::TIMEOUT);
  EXPECT_FALSE(replies_[0].error().unknown());
  EXPECT_EQ(Count(""), "1");
}

TEST_F(BackendCommandsTest, AnOwnerThatIsReplacedDoesNotSayThatItDidNothing) {
  Begin(CallOf("1"));
  lane_.Turn();
  lane_.host().shards().Drop({lane_.EpochOf(kHub)});
  EXPECT_THAT(outcomes_, ElementsAre(HubRequest::Outcome::kUnknown));
}

TEST_F(BackendCommandsTest, FramesGoToConnectionsAndTags) {
  api::Request request;
  api::Send* send = request.add_commands()->mutable_send();
  send->set_connection(kOne.ToString());
  send->mutable_data()->set_json("\"x\"");
  send->mutable_data()->set_text("x");
  send = request.add_commands()->mutable_send();
  send->set_tag("tag");
  send->mutable_data()->set_json("{}");
  send = request.add_commands()->mutable_send();
  send->set_connection(ConnectionId{1, UuidLow(9)}.ToString());
  send->mutable_data()->set_json("1");
  request.add_commands()->mutable_broadcast()->mutable_data()->set_json("[]");
  const api::Reply reply = Ask(request);
  ASSERT_EQ(reply.results_size(), 4) << reply.ShortDebugString();
  EXPECT_EQ(reply.results(0).sent().sent(), 1u);
  EXPECT_EQ(reply.results(1).sent().sent(), 1u);
  EXPECT_EQ(reply.results(2).sent().sent(), 0u) << "it is not there";
  EXPECT_EQ(reply.results(3).sent().sent(), 1u);
  EXPECT_THAT(lane_.Sent(), ElementsAre("x", "{}", "[]"));
}

TEST_F(BackendCommandsTest, WhatTheClassHasNotIsRefusedWithAllOfItsBatch) {
  api::Request request;
  request.add_commands()->mutable_broadcast()->mutable_data()->set_json("1");
  request.add_commands()->mutable_publish()->set_topic("t");
  const api::Reply reply = Ask(request);
  EXPECT_EQ(reply.error().code(), api::Error::REFUSED);
  EXPECT_THAT(reply.error().message(), HasSubstr("Command 1: Class counter has no topics"));
  EXPECT_THAT(lane_.Sent(), IsEmpty());
}

TEST_F(BackendCommandsTest, TheClassHearsOfTheEndOfADisconnectedSocket) {
  api::Request request;
  api::Disconnect* disconnect = request.add_commands()->mutable_disconnect();
  disconnect->set_all(true);
  disconnect->set_code(4001);
  disconnect->set_reason("out");
  EXPECT_EQ(Ask(request).results(0).disconnected(), 1u);
  EXPECT_THAT(class_->closed, ElementsAre("true 4001 out"));
  EXPECT_EQ(Ask(request).results(0).disconnected(), 0u);
}

TEST_F(BackendCommandsTest, ConnectionsComeInPages) {
  api::Request request;
  request.add_commands()->mutable_connections();
  const api::Reply reply = Ask(request);
  const api::ConnectionPage& page = reply.results(0).connections();
  ASSERT_EQ(page.connections_size(), 1);
  EXPECT_EQ(page.connections(0).id(), kOne.ToString());
  EXPECT_EQ(page.connections(0).tags(0), "tag");
  EXPECT_EQ(page.count(), 1u);
  EXPECT_FALSE(page.more());
  request.mutable_commands(0)->mutable_connections()->set_after(kOne.ToString());
  EXPECT_EQ(Ask(request).results(0).connections().connections_size(), 0);
}

}  // namespace
}  // namespace dormouse
