#include "gateway/edge/sockets/admission_timeout.h"

#include <gtest/gtest.h>

#include "gateway/edge/rules/edge_rules.h"

namespace dormouse::edge {
namespace {

constexpr int64_t kOpened = 1'000'000;

class AdmissionTimeoutTest : public testing::Test {
 protected:
  AdmissionTimeoutTest() {
    connection_.hub_class = &hub_class_;
    StartAdmission(&connection_, kOpened);
  }
  static link::ClassProfile Profile(uint64_t timeout_ms) {
    link::ClassProfile profile;
    profile.set_admission_timeout_ms(timeout_ms);
    return profile;
  }

  HubClassEdge hub_class_{"room", Profile(300)};
  Connection connection_;
};

TEST_F(AdmissionTimeoutTest, PassesUnlessTheHubHasLetItIn) {
  EXPECT_EQ(CheckAdmission(&connection_, kOpened + 299).next_ms, kOpened + 300);
  EXPECT_TRUE(CheckAdmission(&connection_, kOpened + 300).expired);
  Admit(&connection_, "board");
  EXPECT_FALSE(CheckAdmission(&connection_, kOpened + 300).expired);
  EXPECT_EQ(CheckAdmission(&connection_, kOpened + 300).next_ms, Deadline::kNever);
  EXPECT_EQ(*connection_.role, "board");
}

TEST_F(AdmissionTimeoutTest, IsPutOffWhereItsMessageMayBeWhatIsNotRead) {
  connection_.congested = true;
  const Deadline deadline = CheckAdmission(&connection_, kOpened + 300);
  EXPECT_FALSE(deadline.expired);
  EXPECT_EQ(deadline.next_ms, kOpened + 600);
}

TEST_F(AdmissionTimeoutTest, EndsWithTheRuleThatWantedIt) {
  hub_class_.Replace(Profile(0));
  EXPECT_FALSE(CheckAdmission(&connection_, kOpened + 300).expired);
  Connection later;
  later.hub_class = &hub_class_;
  StartAdmission(&later, kOpened);
  EXPECT_EQ(later.admission_deadline_ms, 0);
}

}  // namespace
}  // namespace dormouse::edge
