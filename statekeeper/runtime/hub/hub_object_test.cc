#include "statekeeper/runtime/hub/hub_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "statekeeper/runtime/testing/hub_parts.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CountingClass : public HubClass {
 public:
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override {
    ++made;
    return std::make_unique<Hub>();
  }
  mutable int made = 0;

 private:
  link::ClassProfile profile_;
};

// A hub that consists of its object alone.
struct Owner {
  explicit Owner(const HubClass* hub_class)
      : object(hub_class, [this](const event::Resumed& resumed) { resumed_in.push_back(resumed.life); }) {}
  std::vector<uint64_t> resumed_in;
  HubObject object;
};

class HubObjectTest : public testing::Test {
 protected:
  void Make() { owner_->object.Make(parts_.surroundings, &parts_.clock, owner_); }

  HubParts parts_;
  CountingClass class_;
  CountingClass next_class_;
  std::shared_ptr<Owner> owner_ = std::make_shared<Owner>(&class_);
};

TEST_F(HubObjectTest, WhatThePortOfALifeThatIsOverSaysIsIgnored) {
  Make();
  const std::shared_ptr<HubPort> port = owner_->object.port();
  port->Resume({});
  port->Hold(true);
  EXPECT_TRUE(owner_->object.is_held());
  owner_->object.Drop();
  EXPECT_FALSE(owner_->object.is_held());
  Make();
  port->Resume({});
  port->Restart();
  port->Hold(true);
  EXPECT_THAT(owner_->resumed_in, ElementsAre(0u));
  EXPECT_FALSE(owner_->object.is_held());
  owner_->object.port()->Restart();
  EXPECT_THAT(owner_->resumed_in, ElementsAre(0u, 1u));
}

TEST_F(HubObjectTest, APortOutlivesItsHub) {
  Make();
  const std::shared_ptr<HubPort> port = owner_->object.port();
  owner_.reset();
  port->Resume({});
  port->Hold(true);
}

TEST_F(HubObjectTest, TheNextClassMakesTheNextObject) {
  Make();
  owner_->object.ChangeClass(&next_class_);
  EXPECT_EQ(owner_->object.hub_class(), &class_) << "both are used until it is put to use";
  owner_->object.UseNextClass();
  EXPECT_FALSE(owner_->object.has_next_class());
  owner_->object.Drop();
  EXPECT_EQ(owner_->object.get(), nullptr);
  Make();
  EXPECT_EQ(class_.made, 1);
  EXPECT_EQ(next_class_.made, 1);
}

}  // namespace
}  // namespace dormouse
