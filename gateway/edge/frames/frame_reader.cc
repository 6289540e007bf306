#include "gateway/edge/frames/frame_reader.h"

#include <algorithm>
#include <cstring>

#include "gateway/edge/frames/close_frame.h"
#include "gateway/edge/frames/unmask.h"

namespace dormouse::edge {
namespace {

constexpr uint16_t kProtocolError = 1002;
constexpr uint16_t kInvalidData = 1007;

bool IsKnown(uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

uint64_t BigEndian(const char* bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

FrameReader::Step FrameReader::Next(std::span<char>* bytes) {
  if (in_frame_) return bytes->empty() ? Step{} : Piece(bytes);
  return Begin(bytes);
}

// Each byte of a header is judged as soon as it is there, for a client that has gone wrong may say no more.
FrameReader::Step FrameReader::Begin(std::span<char>* bytes) {
  if (bytes->empty()) return {};
  const auto first = static_cast<uint8_t>((*bytes)[0]);
  const auto opcode = static_cast<Opcode>(first & 0x0f);
  const bool final = (first & 0x80) != 0;
  const bool compressed = (first & 0x40) != 0;
  if (!IsKnown(first & 0x0f)) return Fail(kProtocolError, "Unknown opcode");
  if ((first & 0x30) != 0) return Fail(kProtocolError, "Reserved bits must be 0");
  if (compressed && (!may_compress_ || IsControl(opcode) || opcode == Opcode::kContinuation)) {
    return Fail(kProtocolError, "Reserved bits must be 0");
  }
  if (IsControl(opcode)) {
    if (!final) return Fail(kProtocolError, "Control frames cannot be fragmented");
  } else if ((opcode == Opcode::kContinuation) != in_message_) {
    return Fail(kProtocolError,
                in_message_ ? "A message must end before the next" : "There is nothing to continue");
  }

  if (bytes->size() < 2) return {};
  const auto second = static_cast<uint8_t>((*bytes)[1]);
  if ((second & 0x80) == 0) return Fail(kProtocolError, "Frames must be masked");
  uint64_t length = second & 0x7f;
  if (IsControl(opcode) && length > kMaxControlPayload) {
    return Fail(kProtocolError, "Control frames carry at most 125 bytes");
  }
  const size_t length_size = length == 127 ? 8 : length == 126 ? 2 : 0;
  if (length_size > 0) {
    if (bytes->size() < 2 + length_size) return {};
    length = BigEndian(bytes->data() + 2, length_size);
    if ((length >> 63) != 0) return Fail(kProtocolError, "A length has 63 bits");
    if (length < (length_size == 2 ? 126u : 65'536u)) {
      return Fail(kProtocolError, "A length must be as short as it can be");
    }
  }
  const size_t header = 2 + length_size + 4;
  if (bytes->size() < header) return {};
  std::memcpy(&mask_, bytes->data() + 2 + length_size, 4);

  if (IsControl(opcode)) {
    if (bytes->size() < header + length) return {};
    char* payload = bytes->data() + header;
    Unmask(payload, length, mask_);
    *bytes = bytes->subspan(header + length);
    return Control(opcode, {payload, length});
  }
  *bytes = bytes->subspan(header);
  if (opcode != Opcode::kContinuation) {
    in_message_ = fresh_ = true;
    binary_ = opcode == Opcode::kBinary;
    compressed_ = compressed;
    text_ = {};
  }
  in_frame_ = true;
  final_ = final;
  remaining_ = length;
  return Piece(bytes);
}

FrameReader::Step FrameReader::Control(Opcode opcode, std::string_view payload) const {
  if (opcode == Opcode::kPing) return {.kind = Kind::kPing, .data = payload};
  if (opcode == Opcode::kPong) return {.kind = Kind::kPong, .data = payload};
  const auto close = ReadCloseFrame(payload);
  if (!close.has_value()) return Fail(kProtocolError, "A close frame of no meaning");
  return {.kind = Kind::kClose, .data = close->reason, .code = close->code};
}

FrameReader::Step FrameReader::Piece(std::span<char>* bytes) {
  const size_t size = std::min<uint64_t>(remaining_, bytes->size());
  char* data = bytes->data();
  Unmask(data, size, mask_);
  mask_ = AdvanceMask(mask_, size);
  *bytes = bytes->subspan(size);
  remaining_ -= size;
  in_frame_ = remaining_ > 0;
  const bool last = final_ && !in_frame_;
  const Step step{.kind = Kind::kPiece,
                  .data = {data, size},
                  .first = fresh_,
                  .last = last,
                  .binary = binary_,
                  .compressed = compressed_,
                  .remaining = remaining_};
  fresh_ = false;
  if (last) in_message_ = false;
  if (!binary_ && !compressed_ && (!text_.Take(step.data) || (last && !text_.complete()))) {
    return Fail(kInvalidData, "Text must be UTF-8");
  }
  return step;
}

void FrameReader::Save(takeover::Reader* to) const {
  to->set_remaining(remaining_);
  to->set_mask(mask_);
  text_.Save(to);
  to->set_may_compress(may_compress_);
  to->set_in_message(in_message_);
  to->set_in_frame(in_frame_);
  to->set_fresh(fresh_);
  to->set_final(final_);
  to->set_binary(binary_);
  to->set_compressed(compressed_);
}

void FrameReader::Restore(const takeover::Reader& from) {
  remaining_ = from.remaining();
  mask_ = from.mask();
  text_.Restore(from);
  may_compress_ = from.may_compress();
  in_message_ = from.in_message();
  in_frame_ = from.in_frame();
  fresh_ = from.fresh();
  final_ = from.final();
  binary_ = from.binary();
  compressed_ = from.compressed();
}

}  // namespace dormouse::edge
