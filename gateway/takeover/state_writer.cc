#include "gateway/takeover/state_writer.h"

#include <algorithm>
#include <utility>

#include "gateway/takeover/channel.h"

namespace dormouse::takeover {
namespace {

// A chunk is sent before it is larger, and an item adds at most as much.
constexpr size_t kChunkBytes = 64u << 10;

}  // namespace

void StateWriter::SetText(std::string_view bytes, Text* text) {
  if (bytes.size() <= kInline) {
    text->set_bytes(bytes.data(), bytes.size());
    return;
  }
  text->set_number(++texts_);
  AddPieces(bytes, texts_);
}

void StateWriter::SetShared(std::string_view bytes, Text* text) {
  const auto [known, is_new] = shared_.try_emplace(bytes.data(), texts_ + 1);
  text->set_number(known->second);
  if (!is_new) return;
  ++texts_;
  AddPieces(bytes, known->second);
}

void StateWriter::AddPieces(std::string_view bytes, uint64_t number) {
  do {
    Item item;
    item.mutable_piece()->set_text(number);
    item.mutable_piece()->set_bytes(std::string(bytes.substr(0, kPiece)));
    Add(std::move(item));
    bytes.remove_prefix(std::min(bytes.size(), kPiece));
  } while (!bytes.empty());
}

void StateWriter::Add(Item item, std::span<const int> descriptors) {
  const size_t size = item.ByteSizeLong();
  if (size_ + size > kChunkBytes || descriptors_.size() + descriptors.size() > Channel::kMaxDescriptors)
    Flush();
  size_ += size;
  *chunk_.add_items() = std::move(item);
  descriptors_.insert(descriptors_.end(), descriptors.begin(), descriptors.end());
}

void StateWriter::Flush() {
  if (chunk_.items_size() == 0) return;
  bytes_ += size_;
  failed_ = failed_ || !sink_->Take(chunk_, descriptors_);
  chunk_.Clear();
  descriptors_.clear();
  size_ = 0;
}

bool StateWriter::Finish() {
  Flush();
  return !failed_;
}

}  // namespace dormouse::takeover
