#include "common/http/address_limit.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dormouse {
namespace {

IpAddress Address(std::string_view text) { return IpAddress::Parse(text).value(); }

TEST(AddressLimit, EachVisitorHasSoManyAndNoMore) {
  AddressLimit limit(2);
  auto first = limit.Take(Address("192.0.2.1"));
  auto second = limit.Take(Address("192.0.2.1"));
  EXPECT_TRUE(first.has_value() && second.has_value());
  EXPECT_FALSE(limit.Take(Address("192.0.2.1")).has_value());
  EXPECT_TRUE(limit.Take(Address("192.0.2.2")).has_value());
  first.reset();
  EXPECT_TRUE(limit.Take(Address("192.0.2.1")).has_value());
}

TEST(AddressLimit, AnIpv6NetworkIsOneVisitor) {
  AddressLimit limit(1);
  const auto seat = limit.Take(Address("2001:db8:1:2::1"));
  EXPECT_FALSE(limit.Take(Address("2001:db8:1:2:3:4:5:6")).has_value());
  EXPECT_TRUE(limit.Take(Address("2001:db8:1:3::1")).has_value());
}

TEST(AddressLimit, ASeatMovesAndIsGivenBackOnce) {
  AddressLimit limit(1);
  AddressLimit::Seat holder;
  {
    auto seat = limit.Take(Address("192.0.2.1"));
    holder = std::move(*seat);
  }
  EXPECT_FALSE(limit.Take(Address("192.0.2.1")).has_value());
  { const AddressLimit::Seat gone = std::move(holder); }
  EXPECT_TRUE(limit.Take(Address("192.0.2.1")).has_value());
}

TEST(AddressLimit, RemembersOnlyWhoIsHere) {
  AddressLimit limit(1);
  {
    std::vector<AddressLimit::Seat> seats;
    seats.reserve(256);
    for (int i = 0; i < 256; ++i) seats.push_back(*limit.Take(Address("10.0.0." + std::to_string(i))));
    EXPECT_EQ(limit.visitors(), 256u);
    EXPECT_FALSE(limit.Take(Address("10.0.0.7")).has_value());
  }
  EXPECT_EQ(limit.visitors(), 0u);
}

TEST(AddressLimit, NoLimitRemembersNothing) {
  AddressLimit limit(0);
  const auto seat = limit.Take(Address("192.0.2.1"));
  EXPECT_TRUE(seat.has_value());
  EXPECT_EQ(limit.visitors(), 0u);
}

}  // namespace
}  // namespace dormouse
