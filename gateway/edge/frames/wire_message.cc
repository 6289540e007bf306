#include "gateway/edge/frames/wire_message.h"

#include <algorithm>

namespace dormouse::edge {

size_t WireMessage::wire_size() const {
  const size_t size = payload_size();
  const size_t last = fragments() - 1;
  return size + last * HeaderSize(kFragmentSize) + HeaderSize(size - last * kFragmentSize);
}

size_t WireMessage::FragmentSize(size_t fragment) const {
  if (fragments() == 1) return payload_size();
  return std::min(kFragmentSize, payload_size() - fragment * kFragmentSize);
}

size_t WireMessage::PayloadWithin(size_t wire) const {
  const size_t fragment = wire / wire_stride();
  if (fragment >= fragments()) return payload_size();
  const size_t within = wire % wire_stride();
  const size_t header = HeaderSize(FragmentSize(fragment));
  return fragment * kFragmentSize + (within > header ? within - header : 0);
}

size_t WireMessage::EndOfFrame(size_t wire) const {
  const size_t stride = wire_stride();
  return std::min((wire + stride - 1) / stride * stride, wire_size());
}

void WireMessage::PutHeader(size_t fragment, char* out) const {
  const size_t size = FragmentSize(fragment);
  const bool final = fragment + 1 == fragments();
  const unsigned opcode = fragment == 0 ? static_cast<unsigned>(opcode_) : 0;
  const unsigned compressed = compressed_ && fragment == 0 ? 0x40 : 0;
  out[0] = static_cast<char>((final ? 0x80u : 0u) | compressed | opcode);
  const size_t header = HeaderSize(size);
  if (header == 2) {
    out[1] = static_cast<char>(size);
  } else {
    out[1] = header == 4 ? 126 : 127;
    for (size_t i = 2; i < header; ++i) out[i] = static_cast<char>(size >> (8 * (header - 1 - i)));
  }
}

size_t WireMessage::AppendTo(WriteBatch* batch, size_t from, size_t to) const {
  const size_t stride = wire_stride();
  size_t at = from;
  while (at < to) {
    const size_t fragment = at / stride;
    const size_t begin = fragment * stride;
    const size_t header_size = HeaderSize(FragmentSize(fragment));
    if (at < begin + header_size) {
      char header[kMaxHeader];
      PutHeader(fragment, header);
      const size_t end = std::min(to, begin + header_size);
      if (!batch->Append({header + (at - begin), end - at}, WriteBatch::Lifetime::kCall)) break;
      at = end;
      continue;
    }
    const size_t end = std::min(to, begin + header_size + FragmentSize(fragment));
    const size_t offset = fragment * kFragmentSize + (at - begin - header_size);
    const std::string_view part = offset < head_.size() ? head_.substr(offset, end - at)
                                                        : body_.substr(offset - head_.size(), end - at);
    if (part.empty() || !batch->Append(part, WriteBatch::Lifetime::kWrite)) break;
    at += part.size();
  }
  return at - from;
}

}  // namespace dormouse::edge
