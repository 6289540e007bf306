#include "gateway/edge/door/trusted_proxies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::edge {
namespace {

TrustedProxies Proxies(const std::vector<std::string>& networks) {
  std::string wrong;
  auto proxies = TrustedProxies::Parse(networks, &wrong);
  EXPECT_EQ(wrong, "");
  return proxies.value_or(TrustedProxies());
}

// The client of a request from 10.0.0.1 with these header lines; 10.0.0.0/8 and 2001:db8::/32 are proxies.
std::string Client(const std::string& headers) {
  const std::string head = "GET / HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n";
  HttpRequest request;
  HttpReply refusal;
  EXPECT_TRUE(ParseHttpRequest(head, &request, &refusal)) << head << refusal.body;
  return Proxies({"10.0.0.0/8", "2001:db8::/32"}).ClientOf(*IpAddress::Parse("10.0.0.1"), request).ToString();
}

TEST(TrustedProxies, TheRightmostAddressThatIsNotAProxyIsTheClient) {
  EXPECT_EQ(Client("X-Forwarded-For: 192.0.2.1\r\n"), "192.0.2.1");
  EXPECT_EQ(Client("X-Forwarded-For: 203.0.113.66, 192.0.2.1, 10.7.7.7, 10.8.8.8\r\n"), "192.0.2.1");
  EXPECT_EQ(Client("X-Forwarded-For: 203.0.113.66\r\nx-forwarded-for: 192.0.2.1 ,2001:db8::1\r\n"),
            "192.0.2.1");
}

TEST(TrustedProxies, AnAddressMayHaveAPort) {
  EXPECT_EQ(Client("X-Forwarded-For: 192.0.2.1:4711\r\n"), "192.0.2.1");
  EXPECT_EQ(Client("X-Forwarded-For: [2001:dead::1]:4711\r\n"), "2001:dead::1");
  EXPECT_EQ(Client("X-Forwarded-For: [2001:dead::1]\r\n"), "2001:dead::1");
  EXPECT_EQ(Client("X-Forwarded-For: 2001:dead::1\r\n"), "2001:dead::1");
}

TEST(TrustedProxies, WithoutAClientItIsTheFarthestProxy) {
  EXPECT_EQ(Client(""), "10.0.0.1");
  EXPECT_EQ(Client("X-Forwarded-For:\r\n"), "10.0.0.1");
  EXPECT_EQ(Client("X-Forwarded-For: 10.9.9.9\r\n"), "10.9.9.9");
  EXPECT_EQ(Client("X-Forwarded-For: 192.0.2.1, unknown, 10.9.9.9\r\n"), "10.9.9.9");
  EXPECT_EQ(Client("X-Forwarded-For: [\r\n"), "10.0.0.1");
}

TEST(TrustedProxies, SaysWhichEntryIsWrong) {
  std::string wrong;
  EXPECT_FALSE(TrustedProxies::Parse({"10.0.0.0/8", "proxy.example"}, &wrong).has_value());
  EXPECT_THAT(wrong, testing::HasSubstr("--trusted-proxies: 'proxy.example'"));
  EXPECT_FALSE(Proxies({}).Contains(*IpAddress::Parse("10.0.0.1")));
}

}  // namespace
}  // namespace dormouse::edge
