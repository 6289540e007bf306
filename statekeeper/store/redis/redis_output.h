// What a connection has still to write, in order. Short texts are copied together, so that many leave in one
// call; long ones stay where they are.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>

namespace dormouse {

class RedisOutput {
 public:
  // A text shorter than this is always copied.
  static constexpr size_t kReferredBytes = 16u << 10;

  // `number`: of the text's owner; never less than that of a text before it.
  void Add(std::string_view text, uint64_t number);
  // The same without a copy: the bytes stay until they have been taken, this object is gone, or Release.
  void Refer(std::string_view text, uint64_t number);
  // The texts of this owner, and of those before it, are about to go: what is left of them is copied.
  void Release(uint64_t number);

  bool empty() const { return pieces_.empty(); }
  // The first bytes; not empty.
  std::string_view front() const;
  // The first bytes of several pieces. How many of `parts` are set.
  size_t Gather(std::span<iovec> parts) const;
  // The first `size` bytes have been written.
  void Take(size_t size);

 private:
  struct Piece {
    std::string copied;
    std::string_view referred;  // of a piece that is not copied
    uint64_t number = 0;        // of the last text in it
    bool refers = false;
    std::string_view text() const { return refers ? referred : std::string_view(copied); }
  };

  std::deque<Piece> pieces_;
  size_t taken_ = 0;   // of the first piece
  std::string spare_;  // memory for the next piece that is copied
};

}  // namespace dormouse
