// Decompression of messages whose first frame has RSV1 (permessage-deflate, RFC 7692, 7.2.2), where no
// context is taken over: a message starts with an empty window, so one Inflater does for all connections of
// an event loop.
//
// What a message may cost is known before: memory by how large it may become, time by that and by its own
// size, linearly. One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct z_stream_s;  // zlib's

namespace dormouse::edge {

class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  enum class Result {
    kOk,
    kTooLarge,  // close with 1009
    kCorrupt,   // it is no DEFLATE, or not all of it is there: close with 1007
  };

  // Appends what the payloads of all frames of a message, unmasked and put together, stand for: at most
  // `most` bytes. `out` grows as a string does, by what is there and never by what is promised. Where the
  // result is not kOk, `out` is as it was, but for its capacity.
  //
  // All that 7.2.1 lets a sender do is understood: any number of blocks of any type. After one with BFINAL
  // more may follow, from the next byte on, and refer to what came before; what is no block there is
  // kCorrupt, as anywhere. Allowed beyond that: a message that ends exactly where a block ends does without
  // the empty one that should be its last. So nothing at all is an empty message.
  Result Inflate(std::string_view message, size_t most, std::string* out);

 private:
  // Where the decompressor stands once it has taken all that it was given, or why it did not.
  enum class State { kBetweenBlocks, kInBlock, kTooLarge, kCorrupt };
  // `left`: how many bytes `out` may still take.
  State Feed(std::string_view bytes, size_t* left, std::string* out);

  // Holds most messages whole, so that `out` is then made once, of the right size.
  static constexpr size_t kScratch = 16'384;

  const std::unique_ptr<z_stream_s> stream_;
  const std::unique_ptr<char[]> scratch_;
};

}  // namespace dormouse::edge
