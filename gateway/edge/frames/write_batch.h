// What goes to one socket in one write: short pieces are put together in a buffer, long ones stay where they
// are, and so does a piece that is alone, or lies right behind the one before. Made once, used for every
// write of a loop. One thread.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

namespace dormouse::edge {

class WriteBatch {
 public:
  // The most that it holds, and so the most that one socket gets of a write.
  static constexpr size_t kMaxBytes = 262'144;
  // From here on a piece is never copied: the kernel's way to another piece costs as much.
  static constexpr size_t kLongPiece = 2'048;

  enum class Lifetime {
    kCall,   // the piece is valid until the call returns
    kWrite,  // until the batch has been written
  };

  void Clear() { size_ = copied_ = count_ = 0; }
  // All of the piece; false: there is no room for it, and nothing was taken.
  bool Append(std::string_view piece, Lifetime lifetime);
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // For who encrypts it: what comes at `from` (less than size()), `room` bytes at most, as it lies there where a piece has
  // as much, else put together in `buffer`.
  std::string_view Gather(size_t from, char* buffer, size_t room) const;
  // Writes all of it. Bytes that the kernel took; -1 with errno. Never raises SIGPIPE.
  ssize_t SendTo(int fd) const;

 private:
  static constexpr size_t kCopiedBytes = 32'768;
  static constexpr size_t kPieces = 64;

  bool Borrow(std::string_view piece);
  bool Copy(std::string_view piece);

  size_t size_ = 0;
  size_t copied_ = 0;
  size_t count_ = 0;
  std::array<iovec, kPieces> pieces_;
  const std::unique_ptr<char[]> copies_ = std::make_unique<char[]>(kCopiedBytes);
};

}  // namespace dormouse::edge
