// Writes a gateway's state as items (proto/takeover.proto), in chunks of bounded size, whatever is in it: long texts go
// in pieces before the item that has them, and those that many share once.
//
// Nothing is kept of what was written. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/takeover.pb.h"

namespace dormouse::takeover {

class StateWriter {
 public:
  // Where chunks go, to another process or (in tests) nowhere far.
  class Sink {
   public:
    virtual ~Sink() = default;
    // False: it cannot be sent; the rest is not needed.
    virtual bool Take(const Chunk& chunk, std::span<const int> descriptors) = 0;
  };

  // Longer texts go in pieces. An item has a few texts, and a chunk some items.
  static constexpr size_t kInline = 4'096;
  static constexpr size_t kPiece = 32u << 10;

  // Outlives this.
  explicit StateWriter(Sink* sink) : sink_(sink) {}
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  // Fills in `*text`, of an item that is added later.
  void SetText(std::string_view bytes, Text* text);
  // The same of bytes that others may have, too; they stay where they are until the end.
  void SetShared(std::string_view bytes, Text* text);

  void Add(Item item, std::span<const int> descriptors = {});
  void Add(Item item, int descriptor) { Add(std::move(item), std::span(&descriptor, 1)); }
  // Sends what is left. False: something was not sent.
  bool Finish();
  bool failed() const { return failed_; }
  uint64_t bytes() const { return bytes_; }

 private:
  void AddPieces(std::string_view bytes, uint64_t number);
  void Flush();

  Sink* const sink_;
  Chunk chunk_;
  size_t size_ = 0;
  std::vector<int> descriptors_;
  uint64_t texts_ = 0;
  absl::flat_hash_map<const char*, uint64_t> shared_;  // numbers, by where they lie
  uint64_t bytes_ = 0;
  bool failed_ = false;
};

}  // namespace dormouse::takeover
