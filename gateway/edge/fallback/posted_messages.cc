#include "gateway/edge/fallback/posted_messages.h"

#include <algorithm>
#include <charconv>

namespace dormouse::edge {
namespace {

constexpr std::string_view kText = "text ";
constexpr std::string_view kBinary = "binary ";

}  // namespace

PostedMessages::Step PostedMessages::Next(std::string_view* bytes) {
  if (in_message_) {
    if (bytes->empty() && left_ > 0) return {};
    const std::string_view piece = bytes->substr(0, std::min<uint64_t>(left_, bytes->size()));
    bytes->remove_prefix(piece.size());
    left_ -= piece.size();
    in_message_ = left_ > 0;
    return {.kind = Kind::kPiece, .piece = piece, .last = !in_message_};
  }
  while (!bytes->empty()) {
    const char c = bytes->front();
    bytes->remove_prefix(1);
    if (c == '\n') return Begin();
    if (line_size_ == line_.size()) return {.kind = Kind::kBad};
    line_[line_size_++] = c;
  }
  return {};
}

PostedMessages::Step PostedMessages::Begin() {
  std::string_view line(line_.data(), line_size_);
  const bool binary = line.starts_with(kBinary);
  if (!binary && !line.starts_with(kText)) return {.kind = Kind::kBad};
  line.remove_prefix(binary ? kBinary.size() : kText.size());
  uint64_t length = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), length);
  if (line.empty() || error != std::errc() || end != line.data() + line.size() || length >> 62 != 0)
    return {.kind = Kind::kBad};
  line_size_ = 0;
  in_message_ = true;
  left_ = length;
  return {.kind = Kind::kBegin, .binary = binary, .length = length};
}

}  // namespace dormouse::edge
