#include "common/http/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace dormouse {
namespace {

IpAddress Address(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address.has_value()) << text;
  return address.value_or(IpAddress());
}

bool Contains(std::string_view network, std::string_view address) {
  const auto parsed = IpNetwork::Parse(network);
  EXPECT_TRUE(parsed.has_value()) << network;
  return parsed.has_value() && parsed->Contains(Address(address));
}

TEST(IpAddress, IsReadAndWritten) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::1", "::"}) {
    EXPECT_EQ(Address(text).ToString(), text);
  }
  for (const char* text :
       {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "host", "[::1]", "::1%eth0", "1.2.3.4/8"})
    EXPECT_FALSE(IpAddress::Parse(text).has_value()) << text;
  EXPECT_FALSE(IpAddress::Parse({"192.0.2.1\0x", 11}).has_value());
}

TEST(IpAddress, IsIpv4HoweverItComes) {
  EXPECT_EQ(Address("::ffff:192.0.2.1"), Address("192.0.2.1"));
  EXPECT_EQ(Address("::ffff:192.0.2.1").ToString(), "192.0.2.1");
  EXPECT_TRUE(Address("192.0.2.1").IsV4());
  EXPECT_FALSE(Address("::192.0.2.1").IsV4());
}

TEST(IpAddress, ComesFromASocket) {
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  v4->sin_family = AF_INET;
  inet_pton(AF_INET, "192.0.2.7", &v4->sin_addr);
  EXPECT_EQ(IpAddress::FromSocket(storage), Address("192.0.2.7"));
  storage = {};
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  v6->sin6_family = AF_INET6;
  inet_pton(AF_INET6, "2001:db8::7", &v6->sin6_addr);
  EXPECT_EQ(IpAddress::FromSocket(storage), Address("2001:db8::7"));
}

TEST(IpAddress, AVisitorIsAnIpv4AddressOrAnIpv6Network) {
  EXPECT_NE(Address("192.0.2.1").Visitor(), Address("192.0.2.2").Visitor());
  EXPECT_EQ(Address("2001:db8:1:2::1").Visitor(), Address("2001:db8:1:2:ffff::9").Visitor());
  EXPECT_NE(Address("2001:db8:1:2::1").Visitor(), Address("2001:db8:1:3::1").Visitor());
  EXPECT_NE(Address("192.0.2.1").Visitor(), Address("::c000:201:0:0:0:0").Visitor());
}

TEST(IpNetwork, ContainsItsAddresses) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(Contains("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(Contains("192.0.2.128/25", "192.0.2.100"));
  EXPECT_TRUE(Contains("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(Contains("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(Contains("0.0.0.0/0", "203.0.113.5"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(Contains("::/0", "2001:db8::1"));
  EXPECT_TRUE(Contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(Contains("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(Contains("10.1.2.3/8", "10.9.9.9")) << "bits beyond the network do not count";
}

TEST(IpNetwork, RefusesWhatIsNone) {
  for (const char* text :
       {"", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/8x", "10.0.0.0/-1", "/8", "localhost"})
    EXPECT_FALSE(IpNetwork::Parse(text).has_value()) << text;
}

}  // namespace
}  // namespace dormouse
