#include "statekeeper/runtime/hub/gateway_questions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "statekeeper/runtime/testing/hub_parts.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr ShardEpoch kShard{3, 7};
constexpr ConnectionId kConnection{1, 5};

class RecallingHost : public FakeHost {
 public:
  std::vector<GatewayLinks::Recalled> recalls;
  void Recall(const ConnectionId&, const ShardEpoch&, GatewayLinks::Recalled done) override {
    recalls.push_back(std::move(done));
  }
};

// A hub that notes what it is to handle.
struct Owner {
  explicit Owner(HubHost* host)
      : questions(kShard, host, [this](const HubEvent& event) {
          if (const auto* const frame = std::get_if<event::FromGateway>(&event))
            heard.push_back(frame->payload);
          if (Is<event::Recalled>(event)) heard.emplace_back("recalled");
          if (Is<event::Confirmed>(event)) heard.emplace_back("confirmed");
        }) {}
  std::vector<std::string> heard;
  GatewayQuestions questions;
};

class GatewayQuestionsTest : public testing::Test {
 protected:
  void Ask(bool recalls, bool confirms) {
    HubContext::Sequel sequel;
    if (recalls) sequel.recalls = {kConnection};
    if (confirms) sequel.confirms = {kConnection};
    owner_->questions.Ask(sequel, owner_);
  }

  RecallingHost host_;
  std::shared_ptr<Owner> owner_ = std::make_shared<Owner>(&host_);
};

TEST_F(GatewayQuestionsTest, WhatComesBackComesBeforeTheEndOfTheRecall) {
  Ask(true, false);
  EXPECT_FALSE(owner_->questions.empty());
  host_.recalls.at(0)({"first", "second"});
  EXPECT_THAT(owner_->heard, ElementsAre("first", "second", "recalled"));
  EXPECT_TRUE(owner_->questions.empty());
}

TEST_F(GatewayQuestionsTest, AConfirmationIsABarrierBehindAllThatWasSent) {
  Ask(false, true);
  ASSERT_EQ(host_.released.size(), 1u);
  EXPECT_EQ(host_.released[0].epoch, kShard.epoch);
  EXPECT_EQ(host_.released[0].outputs.at(0).kind, DeliveryKind::kBarrier);
  EXPECT_THAT(owner_->heard, IsEmpty());
  host_.released[0].acknowledged();
  EXPECT_THAT(owner_->heard, ElementsAre("confirmed"));
  EXPECT_TRUE(owner_->questions.empty());
}

TEST_F(GatewayQuestionsTest, AHubThatHasGoneHearsNothing) {
  Ask(true, true);
  owner_.reset();
  host_.recalls.at(0)({"late"});
  host_.released.at(0).acknowledged();
}

}  // namespace
}  // namespace dormouse
