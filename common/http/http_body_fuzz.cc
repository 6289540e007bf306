// Fuzz target: a request's body in chunks, in whatever pieces. What is passed on is read as the same data by
// a second reader, which sees the same end.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/http_body.h"
#include "tests/fuzz/fuzz_target.h"

namespace dormouse {
namespace {

HttpBody Chunked() {
  HttpRequest request;
  request.headers = {{"transfer-encoding", "chunked"}};
  return HttpBody::Of(request);
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  return {"5\r\nhello\r\n0\r\n\r\n", "a;x=y\r\n0123456789\r\n000\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n",
          "1\r\na\r\nFF\r\n"};
}

}  // namespace dormouse

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dormouse::Demand;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  dormouse::HttpBody whole = dormouse::Chunked();
  std::string passed_on;
  std::string_view rest = input;
  const bool sound = whole.Take(&rest, &passed_on);
  Demand(passed_on.size() <= input.size(), "no more is written than was read");

  dormouse::HttpBody pieces = dormouse::Chunked();
  std::string in_pieces;
  bool sound_in_pieces = true;
  for (std::string_view left = input; !left.empty() && sound_in_pieces && !pieces.done();) {
    std::string_view piece = left.substr(0, 1 + left.size() % 7);
    left.remove_prefix(piece.size());
    sound_in_pieces = pieces.Take(&piece, &in_pieces);
  }
  Demand(sound == sound_in_pieces && whole.done() == pieces.done() && passed_on == in_pieces,
         "pieces make no difference");

  dormouse::HttpBody next = dormouse::Chunked();
  std::string again;
  std::string_view unread = passed_on;
  Demand(next.Take(&unread, &again) && unread.empty(), "the next reader finds nothing wrong");
  Demand(again == passed_on && next.done() == whole.done(), "and sees the same");
  return 0;
}
