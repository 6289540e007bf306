#include "common/http/http_body.h"

#include <fmt/format.h>

#include <algorithm>

namespace dormouse {
namespace {

bool IsControl(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

}  // namespace

HttpBody HttpBody::OfLength(std::string_view digits) {
  uint64_t length = 0;
  for (const char digit : digits) length = 10 * length + static_cast<uint64_t>(digit - '0');
  return {Framing::kLength, length == 0 ? State::kDone : State::kLength, length};
}

HttpBody HttpBody::Of(const HttpRequest& request) {
  if (request.Header("transfer-encoding").has_value()) return {Framing::kChunked, State::kSize};
  const std::optional<std::string_view> length = request.Header("content-length");
  return length.has_value() ? OfLength(*length) : HttpBody();
}

std::optional<HttpBody> HttpBody::Of(const HttpResponse& response, bool to_head) {
  const auto lengths = std::ranges::count_if(
      response.headers, [](const auto& field) { return EqualsIgnoringCase(field.first, "content-length"); });
  const std::optional<std::string_view> length = response.Header("content-length");
  const bool is_encoded = response.Header("transfer-encoding").has_value();
  if (lengths > 1 || (is_encoded && lengths > 0) || (length.has_value() && !IsContentLength(*length)))
    return std::nullopt;
  if (to_head || response.status < 200 || response.status == 204 || response.status == 304) return HttpBody();
  if (length.has_value()) return OfLength(*length);
  if (!is_encoded) return HttpBody(Framing::kToEnd, State::kToEnd);
  const std::vector<std::string_view> codings = response.ListItems("transfer-encoding");
  if (response.minor_version == 0 || codings.size() != 1 || !EqualsIgnoringCase(codings.front(), "chunked"))
    return std::nullopt;
  return HttpBody(Framing::kChunked, State::kSize);
}

std::string HttpBody::Header() const {
  switch (framing_) {
    case Framing::kLength:
      return fmt::format("content-length: {}\r\n", length_);
    case Framing::kChunked:
      return "transfer-encoding: chunked\r\n";
    case Framing::kNone:
    case Framing::kToEnd:
      break;
  }
  return {};
}

bool HttpBody::Take(std::string_view* in, std::string* out) {
  while (!in->empty() && state_ != State::kDone) {
    if (state_ == State::kToEnd) {
      out->append(*in);
      *in = {};
    } else if (state_ == State::kLength || state_ == State::kData) {
      TakeData(in, out);
    } else if (!TakeByte(in->front(), out)) {
      return false;
    } else {
      in->remove_prefix(1);
    }
  }
  return true;
}

void HttpBody::TakeData(std::string_view* in, std::string* out) {
  const std::string_view data = in->substr(0, left_);
  out->append(data);
  in->remove_prefix(data.size());
  left_ -= data.size();
  if (left_ == 0) state_ = state_ == State::kLength ? State::kDone : State::kDataReturn;
}

// Of what stands between the data of chunks.
bool HttpBody::TakeByte(char c, std::string* out) {
  switch (state_) {
    case State::kSize:
      return TakeSizeByte(c);
    case State::kExtension:
      return TakeIgnored(c, State::kSizeLineFeed, kMaxExtension);
    case State::kSizeLineFeed:
      if (c == '\n') EndSizeLine(out);
      return c == '\n';
    case State::kDataReturn:
      return Expect(c, '\r', State::kDataLineFeed);
    case State::kDataLineFeed:
      out->append("\r\n");
      return Expect(c, '\n', State::kSize);
    case State::kTrailerBegin:
      if (c == '\r') return Expect(c, '\r', State::kLastLineFeed);
      state_ = State::kTrailer;
      return TakeIgnored(c, State::kTrailerLineFeed, kMaxTrailers);
    case State::kTrailer:
      return TakeIgnored(c, State::kTrailerLineFeed, kMaxTrailers);
    case State::kTrailerLineFeed:
      return Expect(c, '\n', State::kTrailerBegin);
    case State::kLastLineFeed:
      out->append("\r\n");
      return Expect(c, '\n', State::kDone);
    case State::kDone:
    case State::kToEnd:
    case State::kLength:
    case State::kData:
      break;
  }
  return false;
}

bool HttpBody::TakeSizeByte(char c) {
  if (digits_ > 0 && (c == ';' || c == '\r')) {
    ignored_ = 0;
    state_ = c == ';' ? State::kExtension : State::kSizeLineFeed;
    return true;
  }
  const bool is_digit = c >= '0' && c <= '9';
  const bool is_letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  if ((!is_digit && !is_letter) || ++digits_ > kMaxSizeDigits) return false;
  left_ = 16 * left_ + static_cast<uint64_t>(is_digit ? c - '0' : (c | 0x20) - 'a' + 10);
  return true;
}

bool HttpBody::TakeIgnored(char c, State at_return, size_t limit) {
  if (c == '\r') {
    state_ = at_return;
    return true;
  }
  return !IsControl(c) && ++ignored_ <= limit;
}

bool HttpBody::Expect(char c, char expected, State next) {
  state_ = next;
  return c == expected;
}

void HttpBody::EndSizeLine(std::string* out) {
  fmt::format_to(std::back_inserter(*out), "{:x}\r\n", left_);
  state_ = left_ == 0 ? State::kTrailerBegin : State::kData;
  digits_ = 0;
  ignored_ = 0;
}

}  // namespace dormouse
