#include "statekeeper/classes/signal/state/deadlines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "statekeeper/classes/testing/stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class DeadlinesTest : public testing::Test {
 protected:
  void Run(std::function<void()> step) { stage_.Run(std::move(step)); }
  std::vector<std::string> Due(size_t limit = 100) {
    std::vector<std::string> subjects;
    for (const auto& [due_ms, subject] : deadlines_.Due(limit)) subjects.push_back(subject);
    return subjects;
  }
  int64_t In(int64_t ms) { return hub_.now_ms() + ms; }

  Stage stage_;
  FakeContext& hub_ = stage_.context();
  Deadlines deadlines_{hub_};
};

TEST_F(DeadlinesTest, TheAlarmIsThatOfTheFirst) {
  Run([&] { deadlines_.Add(In(5000), "a/1"); });
  EXPECT_EQ(hub_.alarm(), In(5000));
  Run([&] { deadlines_.Add(In(1000), "a/2"); });
  EXPECT_EQ(hub_.alarm(), In(1000));
  Run([&] { deadlines_.Add(In(3000), "a/3"); });
  EXPECT_EQ(hub_.alarm(), In(1000));
  Run([&] {
    deadlines_.Remove(In(1000), "a/2");
    deadlines_.SetAlarm();
  });
  EXPECT_EQ(hub_.alarm(), In(3000));
  Run([&] {
    deadlines_.Remove(In(3000), "a/3");
    deadlines_.Remove(In(5000), "a/1");
    deadlines_.SetAlarm();
  });
  EXPECT_FALSE(hub_.alarm().has_value());
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_F(DeadlinesTest, DueInOrderAndBounded) {
  Run([&] {
    deadlines_.Add(In(2000), "a/2");
    deadlines_.Add(In(1000), "z/1");
    deadlines_.Add(In(3000), "a/3");
  });
  EXPECT_THAT(Due(), IsEmpty());
  hub_.Advance(2000);
  EXPECT_THAT(Due(), ElementsAre("z/1", "a/2"));
  EXPECT_THAT(Due(1), ElementsAre("z/1"));
  Run([&] { deadlines_.SetAlarm(); });
  EXPECT_EQ(hub_.alarm(), In(0)) << "what is overdue is due now";
}

TEST_F(DeadlinesTest, SessionsAndAddressesAreToldApart) {
  const ConnectionId session{NewGatewayId(), UuidLow(7)};
  Run([&] {
    deadlines_.Add(In(0), Deadlines::SubjectOf(session));
    deadlines_.Add(In(0), session.ToString());  // as good an address as any
  });
  EXPECT_EQ(deadlines_.DueAddresses().size(), 1u);
  EXPECT_EQ(Deadlines::SessionOf(Deadlines::SubjectOf(session)), session);
  EXPECT_FALSE(Deadlines::SessionOf(session.ToString()).has_value());
  EXPECT_EQ(Due().size(), 2u);
}

TEST_F(DeadlinesTest, RowsOfRegistrationsAreAsTheyEverWere) {
  Run([&] { deadlines_.Add(1'700'000'000'123, "a/1"); });
  EXPECT_THAT(hub_.KeysWithPrefix("x/"), ElementsAre("x/001700000000123/a/1"));
}

}  // namespace
}  // namespace dormouse::signal
