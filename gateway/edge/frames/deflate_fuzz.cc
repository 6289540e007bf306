// Whatever a client offers is answered with what RFC 7692 lets a server answer; whatever it sends compressed
// stays within its bound; and what is compressed here is what is got back.
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/frames/deflate_offer.h"
#include "gateway/edge/frames/deflater.h"
#include "gateway/edge/frames/inflater.h"
#include "tests/fuzz/fuzz_target.h"

namespace dormouse::edge {
namespace {

void Offer(std::string_view value) {
  HttpRequest request;
  const size_t half = value.size() / 2;
  request.headers = {{"sec-websocket-extensions", value.substr(0, half)},
                     {"Sec-WebSocket-Extensions", value.substr(half)},
                     {"Sec-WebSocket-Extensions", value}};
  const auto accepted = AcceptDeflate(request);
  if (!accepted.has_value()) return;
  const int bits = accepted->parameters.server_window_bits;
  Demand(bits >= kMinWindowBits && bits <= kMaxWindowBits, "there is such a window");
  Demand(value.find("permessage-deflate") != std::string_view::npos, "it was offered");
  const std::string plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  Demand(accepted->answer == plain ||
             accepted->answer == plain + "; server_max_window_bits=" + std::to_string(bits),
         "the answer is one of eight");
}

void Inflate(std::string_view message, size_t most) {
  static Inflater inflater;
  std::string out = "before";
  const auto result = inflater.Inflate(message, most, &out);
  Demand(out.starts_with("before"), "what was there stays");
  Demand(out.size() <= 6 + most, "never more than allowed");
  Demand(result == Inflater::Result::kOk || out.size() == 6, "nothing comes of a failure");
  std::string again = "before";
  Demand(inflater.Inflate(message, most, &again) == result && again == out, "no context is taken over");
}

void ThereAndBack(std::string_view message, uint8_t bits, size_t cut) {
  static Deflater deflater;
  static Inflater inflater;
  cut %= message.size() + 1;
  const std::string_view parts[] = {message.substr(0, cut), message.substr(cut)};
  std::string small;
  if (deflater.Deflate(parts, bits, &small) == Deflater::Result::kPlain) {
    Demand(small.empty(), "nothing comes of what goes plain");
    return;
  }
  Demand(small.size() < message.size(), "smaller is smaller");
  std::string back;
  Demand(inflater.Inflate(small, message.size(), &back) == Inflater::Result::kOk && back == message,
         "what was compressed comes back");
}

}  // namespace

}  // namespace dormouse::edge

namespace dormouse {

std::vector<std::string> FuzzSeeds() {
  const auto offer = [](const char* value) { return std::string("0.") + value; };
  const auto message = [](std::string_view bytes) { return "1\xff" + std::string(bytes); };
  std::string json = "[";
  for (int i = 0; i < 40; ++i) json += R"({"type":"event","seq":)" + std::to_string(i * 7919 % 10'007) + "},";
  const std::string_view parts[] = {json};
  std::string dynamic;
  edge::Deflater().Deflate(parts, edge::kMaxWindowBits, &dynamic);
  return {
      offer("permessage-deflate; client_max_window_bits"),
      offer(R"(foo; a="b, c", permessage-deflate; server_max_window_bits="10"; server_no_context_takeover)"),
      offer("permessage-deflate; server_max_window_bits=8, permessage-deflate;client_no_context_takeover,"
            "permessage-deflate"),
      // The examples of RFC 7692, 7.2.3.
      message({"\xf2\x48\xcd\xc9\xc9\x07\x00", 7}),
      message({"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11}),
      message({"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8}),
      message({"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13}),
      message({"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00", 12}),
      message(dynamic),
      "2." + std::string(100, 'x') + std::string(100, 'y'),
      "2/" + json,
  };
}

}  // namespace dormouse

// The first byte says what is tried, the second with which bound, or in which window.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dormouse::edge::kMaxWindowBits;
  using dormouse::edge::kMinWindowBits;
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 3) {
    case '0' % 3:
      dormouse::edge::Offer(rest);
      break;
    case '1' % 3:
      dormouse::edge::Inflate(rest, size_t{data[1]} * data[1]);
      break;
    default:
      dormouse::edge::ThereAndBack(rest, kMinWindowBits + data[1] % (kMaxWindowBits - kMinWindowBits + 1),
                                   size_t{data[1]} * 7);
  }
  return 0;
}
