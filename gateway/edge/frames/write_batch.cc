#include "gateway/edge/frames/write_batch.h"

#include <sys/socket.h>

#include <cstring>

namespace dormouse::edge {

bool WriteBatch::Append(std::string_view piece, Lifetime lifetime) {
  if (piece.empty()) return true;
  // Of what is longer than all that there is room for, nothing but that can be said: its owner asks for less.
  if (size_ > 0 && size_ + piece.size() > kMaxBytes) return false;
  if (lifetime == Lifetime::kCall) return Copy(piece);
  const iovec* last = count_ == 0 ? nullptr : &pieces_[count_ - 1];
  const bool is_next = last != nullptr && static_cast<char*>(last->iov_base) + last->iov_len == piece.data();
  return last == nullptr || is_next || piece.size() >= kLongPiece ? Borrow(piece) : Copy(piece);
}

bool WriteBatch::Borrow(std::string_view piece) {
  char* from = const_cast<char*>(piece.data());  // iovec is for reads, too
  iovec* last = count_ == 0 ? nullptr : &pieces_[count_ - 1];
  if (last != nullptr && static_cast<char*>(last->iov_base) + last->iov_len == from) {
    last->iov_len += piece.size();
  } else {
    if (count_ == kPieces) return false;
    pieces_[count_++] = {from, piece.size()};
  }
  size_ += piece.size();
  return true;
}

bool WriteBatch::Copy(std::string_view piece) {
  const bool gathers_first = count_ == 1 && copied_ == 0 && pieces_[0].iov_len < kLongPiece;
  const size_t before = gathers_first ? pieces_[0].iov_len : copied_;
  if (before + piece.size() > kCopiedBytes) return false;
  if (gathers_first) {  // it is not alone any more
    std::memcpy(copies_.get(), pieces_[0].iov_base, before);
    pieces_[0].iov_base = copies_.get();
  }
  char* to = copies_.get() + before;
  const iovec* last = count_ == 0 ? nullptr : &pieces_[count_ - 1];
  const bool extends = last != nullptr && static_cast<char*>(last->iov_base) + last->iov_len == to;
  if (!extends && count_ == kPieces) return false;
  std::memcpy(to, piece.data(), piece.size());
  copied_ = before + piece.size();
  return Borrow({to, piece.size()});
}

std::string_view WriteBatch::Gather(size_t from, char* buffer, size_t room) const {
  size_t i = 0;
  while (from >= pieces_[i].iov_len) from -= pieces_[i++].iov_len;
  const auto piece = [&] {
    return std::string_view(static_cast<const char*>(pieces_[i].iov_base), pieces_[i].iov_len).substr(from);
  };
  if (i + 1 == count_ || piece().size() >= room) return piece().substr(0, room);
  size_t size = 0;
  for (; i < count_ && size < room; ++i, from = 0) size += piece().copy(buffer + size, room - size);
  return {buffer, size};
}

ssize_t WriteBatch::SendTo(int fd) const {
  if (count_ == 1) return send(fd, pieces_[0].iov_base, pieces_[0].iov_len, MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces_.data());
  message.msg_iovlen = count_;
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace dormouse::edge
