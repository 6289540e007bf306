#include "gateway/edge/frames/write_batch.h"

#include <sys/socket.h>

#include <cstring>

namespace dormouse::edge {

bool WriteBatch::Append(std::string_view piece, Lifetime lifetime) {
  if (piece.empty()) return true;
  // Of what is longer than all that there is room for, nothing but that can be said: its owner asks for less.
  if (size_ > 0 && size_ + piece.size() > kMaxBytes) return false;
  char* from = const_cast<char*>(piece.data());  // iovec is for reads, too
  if (lifetime == Lifetime::kCall || piece.size() < kLongPiece) {
    if (copied_ + piece.size() > kCopiedBytes) return false;
    from = copies_.get() + copied_;
    std::memcpy(from, piece.data(), piece.size());
    copied_ += piece.size();
    if (count_ > 0) {
      iovec& last = pieces_[count_ - 1];
      if (static_cast<char*>(last.iov_base) + last.iov_len == from) {
        last.iov_len += piece.size();
        size_ += piece.size();
        return true;
      }
    }
  }
  if (count_ == kPieces) return false;
  pieces_[count_++] = {from, piece.size()};
  size_ += piece.size();
  return true;
}

ssize_t WriteBatch::SendTo(int fd) const {
  if (count_ == 1) return send(fd, pieces_[0].iov_base, pieces_[0].iov_len, MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces_.data());
  message.msg_iovlen = count_;
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace dormouse::edge
