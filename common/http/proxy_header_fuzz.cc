// Fuzz target: what a proxy says before its client's bytes.
#include "common/http/proxy_header.h"
#include "tests/fuzz/fuzz_target.h"

namespace dormouse {

std::vector<std::string> FuzzSeeds() {
  const std::string binary("\r\n\r\n\0\r\nQUIT\n", 12);
  return {
      "PROXY TCP4 192.0.2.1 198.51.100.1 51200 443\r\nGET / HTTP/1.1\r\n\r\n",
      "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n",
      "PROXY UNKNOWN ffff:f...f:ffff 65535\r\n",
      binary + std::string("\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\xc8\x00\x01\xbb", 16) + "GET /",
      binary + std::string("\x21\x21\x00\x27", 4) + std::string(39, '\x11'),
      binary + std::string("\x20\x00\x00\x00", 4),
  };
}

}  // namespace dormouse

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dormouse::Demand;
  using State = dormouse::ProxyHeader::State;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const dormouse::ProxyHeader whole = dormouse::ReadProxyHeader(bytes);
  if (whole.state == State::kIncomplete) {
    Demand(size < dormouse::kMaxProxyHeader, "what is waited for is bounded");
    return 0;
  }
  if (whole.state == State::kWhole) {
    Demand(whole.size > 0 && whole.size <= size && whole.size <= dormouse::kMaxProxyHeader,
           "it is within the input");
    const dormouse::ProxyHeader alone = dormouse::ReadProxyHeader(bytes.substr(0, whole.size));
    Demand(alone.state == State::kWhole && alone.size == whole.size && alone.client == whole.client,
           "what follows does not matter");
  }
  // The same comes out whatever the pieces: first nothing, then it, and it stays.
  for (size_t i = 0; i < size; i += 1 + i / 16) {
    const State then = dormouse::ReadProxyHeader(bytes.substr(0, i)).state;
    Demand(then == State::kIncomplete || (then == whole.state && (then == State::kBad || i >= whole.size)),
           "a beginning is judged as the whole is");
  }
  return 0;
}
