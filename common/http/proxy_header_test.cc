#include "common/http/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

using State = ProxyHeader::State;

// What follows the header is never read.
constexpr std::string_view kRest = "GET / HTTP/1.1\r\n";

// "CLIENT", "-" for none, "incomplete" or "bad". Holds that every beginning is incomplete, and what follows
// is left.
std::string Read(const std::string& header) {
  const ProxyHeader read = ReadProxyHeader(header);
  if (read.state == State::kBad) return "bad";
  if (read.state == State::kIncomplete) return "incomplete";
  EXPECT_EQ(read.size, header.size());
  for (size_t size = 0; size < header.size(); ++size)
    EXPECT_EQ(ReadProxyHeader(header.substr(0, size)).state, State::kIncomplete) << size;
  EXPECT_EQ(ReadProxyHeader(header + std::string(kRest)).size, header.size());
  return read.client.has_value() ? read.client->ToString() : "-";
}

std::string Binary(uint8_t version_and_command, uint8_t family, const std::string& addresses) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header.push_back(static_cast<char>(version_and_command));
  header.push_back(static_cast<char>(family));
  header.push_back(static_cast<char>(addresses.size() >> 8));
  header.push_back(static_cast<char>(addresses.size()));
  return header + addresses;
}

const std::string kV4("\xc0\x00\x02\x01\xc6\x33\x64\x01\xc8\x00\x01\xbb", 12);
const std::string kV6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" +
                        std::string(16, '\x11') + std::string("\xc8\x00\x01\xbb", 4);

TEST(ProxyHeader, Version1SaysWhoTheClientIs) {
  EXPECT_EQ(Read("PROXY TCP4 192.0.2.1 198.51.100.1 51200 443\r\n"), "192.0.2.1");
  EXPECT_EQ(Read("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), "2001:db8::1");
  EXPECT_EQ(Read("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), "192.0.2.1");
}

TEST(ProxyHeader, Version1MayNotKnow) {
  EXPECT_EQ(Read("PROXY UNKNOWN\r\n"), "-");
  EXPECT_EQ(Read("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "-");
}

TEST(ProxyHeader, Version1IsExact) {
  for (const char* line :
       {"PROXY TCP4 192.0.2.1 198.51.100.1 51200\r\n", "PROXY TCP4 192.0.2.1 198.51.100.1 51200 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 51200 443 1\r\n", "PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n", "PROXY TCP4 192.0.2.1 198.51.100.1 01 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 -1 443\r\n", "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 x 1 2\r\n", "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n", "PROXY TCP4\r\n",
        "PROXY \r\n", "PROXY UNKNOWNx\r\n", "proxy UNKNOWN\r\n", "PROXYUNKNOWN\r\n", "GET / HTTP/1.1\r\n",
        "X"}) {
    EXPECT_EQ(Read(line), "bad") << line;
  }
  EXPECT_EQ(Read("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n"), "incomplete")
      << "a line feed alone ends no line";
  EXPECT_EQ(Read(std::string("PROXY TCP4 192.0.2.1\0 198.51.100.1 1 2\r\n", 40)), "bad");
}

TEST(ProxyHeader, Version1IsBounded) {
  const std::string longest = "PROXY UNKNOWN " + std::string(107 - 16, 'x') + "\r\n";
  EXPECT_EQ(Read(longest), "-");
  EXPECT_EQ(ReadProxyHeader("PROXY UNKNOWN " + std::string(106 - 14, 'x')).state, State::kIncomplete);
  EXPECT_EQ(Read("PROXY UNKNOWN " + std::string(107 - 14, 'x')), "bad");
}

TEST(ProxyHeader, Version2SaysWhoTheClientIs) {
  EXPECT_EQ(Read(Binary(0x21, 0x11, kV4)), "192.0.2.1");
  EXPECT_EQ(Read(Binary(0x21, 0x21, kV6)), "2001:db8::1");
  EXPECT_EQ(Read(Binary(0x21, 0x11, kV4 + "\x02\x01\x00more")), "192.0.2.1")
      << "what more it says is passed over";
}

TEST(ProxyHeader, Version2MaySpeakForItselfOrNotKnow) {
  EXPECT_EQ(Read(Binary(0x20, 0x00, "")), "-");
  EXPECT_EQ(Read(Binary(0x20, 0x11, kV4)), "-");
  EXPECT_EQ(Read(Binary(0x21, 0x00, "")), "-");
  EXPECT_EQ(Read(Binary(0x21, 0x31, std::string(216, 's'))), "-") << "a socket in the file system";
  EXPECT_EQ(Read(Binary(0x21, 0x12, kV4)), "-") << "a datagram";
}

TEST(ProxyHeader, Version2IsExactAndBounded) {
  EXPECT_EQ(Read(Binary(0x11, 0x11, kV4)), "bad");
  EXPECT_EQ(Read(Binary(0x31, 0x11, kV4)), "bad");
  EXPECT_EQ(Read(Binary(0x22, 0x11, kV4)), "bad");
  EXPECT_EQ(Read(Binary(0x21, 0x41, kV4)), "bad");
  EXPECT_EQ(Read(Binary(0x21, 0x13, kV4)), "bad");
  EXPECT_EQ(Read(Binary(0x21, 0x11, kV4.substr(1))), "bad");
  EXPECT_EQ(Read(Binary(0x21, 0x21, kV4)), "bad");
  const std::string largest = Binary(0x21, 0x11, kV4 + std::string(kMaxProxyHeader - 16 - 12, 't'));
  EXPECT_EQ(largest.size(), kMaxProxyHeader);
  EXPECT_EQ(Read(largest), "192.0.2.1");
  const std::string larger = Binary(0x21, 0x11, kV4 + std::string(kMaxProxyHeader - 16 - 11, 't'));
  EXPECT_EQ(Read(larger.substr(0, 16)), "bad") << "before the rest has come";
  EXPECT_EQ(Read(std::string("\r\n\r\nGET", 7)), "bad");
}

}  // namespace
}  // namespace dormouse
