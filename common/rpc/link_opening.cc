#include "common/rpc/link_opening.h"

#include <algorithm>

#include "common/rpc/frame_head.h"

namespace dormouse {
namespace {

constexpr std::string_view kMark = "dormouse";
constexpr char kTlsMark = 'T';
constexpr char kPlainMark = 'P';
constexpr char kHttp2First = 'P';
constexpr char kTlsFirst = 0x16;

}  // namespace

std::string LinkMark(bool tls) { return std::string(kMark) + (tls ? kTlsMark : kPlainMark); }

LinkOpening Recognize(std::string_view bytes) {
  if (bytes.empty()) return LinkOpening::kUnfinished;
  if (bytes[0] == kHttp2First || bytes[0] == kTlsFirst) return LinkOpening::kGrpc;
  const size_t known = std::min(bytes.size(), kMark.size());
  if (bytes.substr(0, known) != kMark.substr(0, known)) return LinkOpening::kNonsense;
  if (bytes.size() < kLinkMarkBytes) return LinkOpening::kUnfinished;
  if (bytes[kMark.size()] == kTlsMark) return LinkOpening::kTls;
  return bytes[kMark.size()] == kPlainMark ? LinkOpening::kPlain : LinkOpening::kNonsense;
}

std::string PrintOpening(const link::StreamOpening& opening) {
  std::string bytes(kFrameHeadBytes, '\0');
  opening.AppendToString(&bytes);
  WriteFrameHead(static_cast<uint32_t>(bytes.size() - kFrameHeadBytes), bytes.data());
  return bytes;
}

std::optional<link::StreamOpening> TakeOpening(std::string* bytes, bool* broken) {
  *broken = false;
  if (bytes->size() < kFrameHeadBytes) return std::nullopt;
  const uint32_t length = ReadFrameHead(*bytes);
  *broken = length > kMaxOpeningBytes;
  if (*broken || bytes->size() - kFrameHeadBytes < length) return std::nullopt;
  link::StreamOpening opening;
  *broken = !opening.ParseFromArray(bytes->data() + kFrameHeadBytes, static_cast<int>(length));
  if (*broken) return std::nullopt;
  bytes->erase(0, kFrameHeadBytes + length);
  return opening;
}

}  // namespace dormouse
