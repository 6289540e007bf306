#include "gateway/edge/frames/inflater.h"

#include <zlib.h>

#include <limits>
#include <new>

#include "gateway/edge/frames/flush_tail.h"

namespace dormouse::edge {
namespace {

// What z_stream.data_type says between two blocks, the second of which has not begun: of the byte that the
// first ended in, no bit is left.
constexpr int kAtBlockEnd = 128;

}  // namespace

Inflater::Inflater() : stream_(std::make_unique<z_stream>()), scratch_(std::make_unique<char[]>(kScratch)) {
  // Clients may use the largest window. Negative: no header around the blocks.
  if (inflateInit2(stream_.get(), -MAX_WBITS) != Z_OK) throw std::bad_alloc();
}

Inflater::~Inflater() { inflateEnd(stream_.get()); }

Inflater::Result Inflater::Inflate(std::string_view message, size_t most, std::string* out) {
  if (message.empty()) return Result::kOk;
  if (message.size() > std::numeric_limits<uInt>::max()) return Result::kTooLarge;
  const size_t before = out->size();
  inflateReset(stream_.get());
  State state = Feed(message, &most, out);
  if (state == State::kInBlock) state = Feed(kFlushTail, &most, out);
  if (state == State::kBetweenBlocks) return Result::kOk;
  out->resize(before);
  return state == State::kTooLarge ? Result::kTooLarge : Result::kCorrupt;
}

Inflater::State Inflater::Feed(std::string_view bytes, size_t* left, std::string* out) {
  stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // only read
  stream_->avail_in = static_cast<uInt>(bytes.size());
  for (;;) {
    stream_->next_out = reinterpret_cast<Bytef*>(scratch_.get());
    stream_->avail_out = kScratch;
    const int said = inflate(stream_.get(), Z_SYNC_FLUSH);
    const size_t come = kScratch - stream_->avail_out;
    if (come > *left) return State::kTooLarge;
    out->append(scratch_.get(), come);
    *left -= come;
    switch (said) {
      case Z_STREAM_END:
        // A block with BFINAL. This reset keeps the window, as what follows is the same message. (To save the
        // window and set it again would cost 32 KiB of copying for each such block, which may be two bytes
        // long.)
        inflateResetKeep(stream_.get());
        if (stream_->avail_in == 0) return State::kBetweenBlocks;
        break;
      case Z_OK:
      case Z_BUF_ERROR:  // there was nothing to do
        if (stream_->avail_out == 0) break;
        return stream_->data_type == kAtBlockEnd ? State::kBetweenBlocks : State::kInBlock;
      case Z_MEM_ERROR:
        throw std::bad_alloc();
      default:
        return State::kCorrupt;
    }
  }
}

}  // namespace dormouse::edge
