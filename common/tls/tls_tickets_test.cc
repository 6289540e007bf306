#include "common/tls/tls_tickets.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kPeriod = TlsTickets::kPeriodMs;

TlsTickets Of(const std::string& secret) {
  return TlsTickets([secret] { return secret; });
}

TEST(TlsTickets, WhoHasTheSameSecretTakesThem) {
  const std::string secret(32, 's');
  const TlsTickets one = Of(secret);
  const TlsTickets other = Of(secret);
  const TlsTickets stranger = Of(std::string(32, 't'));
  const TlsTickets::Key made = one.New(true, kNow);
  const auto found = other.Find(made.name, kNow);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->cipher, made.cipher);
  EXPECT_EQ(found->mac, made.mac);
  EXPECT_NE(made.cipher, made.mac);
  EXPECT_FALSE(found->is_old);
  EXPECT_FALSE(stranger.Find(made.name, kNow).has_value());
}

TEST(TlsTickets, ThoseThatAreNotInCommonAreOfOneProcess) {
  const TlsTickets one = Of(std::string(32, 's'));
  const TlsTickets other = Of(std::string(32, 's'));
  const TlsTickets::Key made = one.New(false, kNow);
  EXPECT_TRUE(one.Find(made.name, kNow).has_value());
  EXPECT_FALSE(other.Find(made.name, kNow).has_value());
}

TEST(TlsTickets, WithoutASecretInCommonAProcessTakesItsOwn) {
  for (const TlsTickets& tickets : {TlsTickets(), Of("short")}) {
    const TlsTickets::Key made = tickets.New(true, kNow);
    EXPECT_TRUE(tickets.Find(made.name, kNow).has_value());
    EXPECT_FALSE(Of("short").Find(made.name, kNow).has_value());
  }
}

TEST(TlsTickets, AKeyIsOfOnePeriodAndTakenForOneMore) {
  const TlsTickets tickets;
  const TlsTickets::Key made = tickets.New(true, kNow);
  EXPECT_NE(tickets.New(true, kNow + kPeriod).name, made.name);
  const auto later = tickets.Find(made.name, kNow + kPeriod);
  ASSERT_TRUE(later.has_value());
  EXPECT_TRUE(later->is_old);
  EXPECT_FALSE(tickets.Find(made.name, kNow + 2 * kPeriod).has_value());
  EXPECT_TRUE(tickets.Find(made.name, kNow - kPeriod).has_value());  // by a clock that is behind
}

TEST(TlsTickets, ANewSecretInCommonIsTakenAtOnce) {
  std::string secret(32, 's');
  const TlsTickets tickets([&secret] { return secret; });
  const TlsTickets::Key made = tickets.New(true, kNow);
  secret = std::string(32, 't');
  EXPECT_FALSE(tickets.Find(made.name, kNow).has_value());
}

}  // namespace
}  // namespace dormouse
