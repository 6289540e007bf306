// Where the body of an HTTP/1 message ends (RFC 9112, 6), for who passes it on.
//
// It is passed on in framing of our own: a length as it was understood, chunks of the same sizes, without
// what senders may write beside them (extensions, trailers). So the next reader cannot see another end than
// this one did. What is written is never more than what was read.
//
// A value; holds nothing of the body. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/http_request.h"
#include "common/http/http_response.h"

namespace dormouse {

class HttpBody {
 public:
  HttpBody() = default;  // there is none
  // Of one that ParseHttpRequest has taken.
  static HttpBody Of(const HttpRequest& request);
  // Of the final answer to a request; nullopt: where it ends is said in two ways, or in none.
  static std::optional<HttpBody> Of(const HttpResponse& response, bool to_head);

  // Takes off `*in` what belongs to the body, and appends it to `*out`. False: it is broken.
  bool Take(std::string_view* in, std::string* out);
  // Nothing more belongs to it.
  bool done() const { return state_ == State::kDone; }
  // It ends where its connection does.
  bool ends_with_connection() const { return state_ == State::kToEnd; }
  // The header that announces it, line end included; empty: it needs none.
  std::string Header() const;

 private:
  enum class State {
    kDone,
    kToEnd,
    kLength,
    // In chunks:
    kSize,
    kExtension,
    kSizeLineFeed,
    kData,
    kDataReturn,
    kDataLineFeed,
    kTrailerBegin,
    kTrailer,
    kTrailerLineFeed,
    kLastLineFeed,
  };
  enum class Framing { kNone, kLength, kChunked, kToEnd };
  static constexpr int kMaxSizeDigits = 15;
  static constexpr size_t kMaxExtension = 1'024;  // bytes, of one chunk
  static constexpr size_t kMaxTrailers = 8'192;   // of all

  HttpBody(Framing framing, State state, uint64_t length = 0)
      : framing_(framing), state_(state), length_(length), left_(length) {}
  static HttpBody OfLength(std::string_view digits);
  void TakeData(std::string_view* in, std::string* out);
  bool TakeByte(char c, std::string* out);
  bool TakeSizeByte(char c);
  bool TakeIgnored(char c, State at_return, size_t limit);
  bool Expect(char c, char expected, State next);
  void EndSizeLine(std::string* out);

  Framing framing_ = Framing::kNone;
  State state_ = State::kDone;
  uint64_t length_ = 0;  // of the whole, where it is known
  uint64_t left_ = 0;    // of the whole, or of the chunk
  int digits_ = 0;       // of the chunk's size
  size_t ignored_ = 0;   // bytes of its extension, or of trailers
};

}  // namespace dormouse
