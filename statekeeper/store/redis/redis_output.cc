#include "statekeeper/store/redis/redis_output.h"

#include <utility>

namespace dormouse {
namespace {

constexpr size_t kKeptBytes = 64u << 10;  // of the memory for what is copied, once it has left

}  // namespace

void RedisOutput::Refer(std::string_view text, uint64_t number) {
  if (text.size() < kReferredBytes) return Add(text, number);
  pieces_.push_back({.copied = {}, .referred = text, .number = number, .refers = true});
}

void RedisOutput::Add(std::string_view text, uint64_t number) {
  if (text.empty()) return;
  if (pieces_.empty() || pieces_.back().refers) {
    pieces_.push_back(
        {.copied = std::exchange(spare_, {}), .referred = {}, .number = number, .refers = false});
  }
  pieces_.back().copied.append(text);
  pieces_.back().number = number;
}

void RedisOutput::Release(uint64_t number) {
  for (Piece& piece : pieces_) {
    if (piece.number > number) return;
    if (!piece.refers) continue;
    piece.copied = piece.referred;
    piece.refers = false;
  }
}

std::string_view RedisOutput::front() const { return pieces_.front().text().substr(taken_); }

size_t RedisOutput::Gather(std::span<iovec> parts) const {
  size_t count = 0;
  for (auto piece = pieces_.begin(); piece != pieces_.end() && count < parts.size(); ++piece, ++count) {
    const std::string_view text = count == 0 ? front() : piece->text();
    parts[count] = {const_cast<char*>(text.data()), text.size()};
  }
  return count;
}

void RedisOutput::Take(size_t size) {
  while (size > 0) {
    const size_t left = front().size();
    if (size < left) {
      taken_ += size;
      return;
    }
    size -= left;
    taken_ = 0;
    std::string& copied = pieces_.front().copied;
    if (copied.capacity() > spare_.capacity() && copied.capacity() <= kKeptBytes) {
      copied.clear();
      spare_ = std::move(copied);
    }
    pieces_.pop_front();
  }
}

}  // namespace dormouse
