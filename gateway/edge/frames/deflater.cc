#include "gateway/edge/frames/deflater.h"

#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>
#include <utility>

#include "gateway/edge/frames/flush_tail.h"

namespace dormouse::edge {
namespace {

constexpr int kLevel = 1;
constexpr int kMemoryLevel = 8;

}  // namespace

void Deflater::End::operator()(z_stream_s* stream) const {
  deflateEnd(stream);
  delete stream;
}

Deflater::Deflater() : scratch_(std::make_unique<char[]>(kScratch)) {}
Deflater::~Deflater() = default;

z_stream_s* Deflater::StreamFor(uint8_t window_bits) {
  assert(window_bits >= kMinWindowBits && window_bits <= kMaxWindowBits);
  Stream& stream = streams_[window_bits - kMinWindowBits];
  if (stream != nullptr) {
    deflateReset(stream.get());
    return stream.get();
  }
  Stream made(new z_stream());
  // Negative: no header around the blocks.
  if (deflateInit2(made.get(), kLevel, Z_DEFLATED, -window_bits, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  stream = std::move(made);
  return stream.get();
}

Deflater::Result Deflater::Deflate(std::span<const std::string_view> parts, uint8_t window_bits,
                                   std::string* out) {
  size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  if (size < kMinSize || size > std::numeric_limits<uInt>::max()) return Result::kPlain;

  const size_t before = out->size();
  z_stream* stream = StreamFor(window_bits);
  // False: it is not going to be smaller.
  const auto feed = [&](std::string_view bytes, int flush) {
    stream->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // only read
    stream->avail_in = static_cast<uInt>(bytes.size());
    do {
      stream->next_out = reinterpret_cast<Bytef*>(scratch_.get());
      stream->avail_out = kScratch;
      deflate(stream, flush);
      out->append(scratch_.get(), kScratch - stream->avail_out);
      if (out->size() - before >= size + kFlushTail.size()) return false;
    } while (stream->avail_out == 0);
    return true;
  };
  const bool smaller = std::all_of(parts.begin(), parts.end(),
                                   [&](std::string_view part) { return feed(part, Z_NO_FLUSH); }) &&
                       feed({}, Z_SYNC_FLUSH);
  out->resize(smaller ? out->size() - kFlushTail.size() : before);
  return smaller ? Result::kSmaller : Result::kPlain;
}

}  // namespace dormouse::edge
