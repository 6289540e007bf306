#include "common/host_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(HostPortTest, IsTakenApart) {
  const auto printed = [](std::string_view text) {
    const auto parsed = HostPort::Parse(text);
    return parsed.has_value() ? parsed->host + " " + std::to_string(parsed->port) : "none";
  };
  EXPECT_EQ(printed("127.0.0.1:8080"), "127.0.0.1 8080");
  EXPECT_EQ(printed("host.example:0"), "host.example 0");
  EXPECT_EQ(printed("[::1]:65535"), "::1 65535");
  EXPECT_EQ(printed(":80"), " 80");
  for (const char* wrong : {"", "host", "host:", "host:65536", "host:99999", "host:4294967376", "host:-1",
                            "host:+1", "host: 1", "host:1 ", "host:0x50", "host:http", "[::1]"}) {
    EXPECT_EQ(printed(wrong), "none") << wrong;
  }
}

TEST(HostPortTest, WhatCannotBeIsSaid) {
  for (const char* fine : {"127.0.0.1:0", "0.0.0.0:8080", "[::]:8080"}) EXPECT_EQ(WhyNotToListenAt(fine), "");
  EXPECT_EQ(WhyNotToListenAt("127.0.0.1:"),
            "'127.0.0.1:' is not HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8080");
  EXPECT_EQ(
      WhyNotToListenAt(":8080"),
      "':8080' has no host; for all addresses of this machine write 0.0.0.0:8080, or [::]:8080 for IPv6 as well");
  EXPECT_EQ(WhyNotToCall("10.0.0.7:7400"), "");
  for (const char* wrong : {"10.0.0.7:0", ":7400", "10.0.0.7:70000", "10.0.0.7"})
    EXPECT_THAT(WhyNotToCall(wrong), testing::HasSubstr("from 1 to 65535")) << wrong;
}

}  // namespace
}  // namespace dormouse
