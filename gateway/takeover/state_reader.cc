#include "gateway/takeover/state_reader.h"

#include <unistd.h>

#include <utility>

namespace dormouse::takeover {

StateReader::~StateReader() {
  for (const int fd : descriptors_) close(fd);
}

const Item* StateReader::Next() {
  while (wrong_.empty()) {
    if (next_ == chunk_.items_size()) {
      std::vector<int> descriptors;
      chunk_.Clear();
      next_ = 0;
      if (!source_->Next(&chunk_, &descriptors, &wrong_)) break;
      descriptors_.insert(descriptors_.end(), descriptors.begin(), descriptors.end());
      continue;
    }
    Item* const item = chunk_.mutable_items(next_++);
    if (item->item_case() != Item::kPiece) return item;
    std::shared_ptr<std::string>& text = texts_[item->piece().text()];
    if (text == nullptr) {
      text = std::make_shared<std::string>(std::move(*item->mutable_piece()->mutable_bytes()));
    } else {
      text->append(item->piece().bytes());
    }
  }
  return nullptr;
}

int StateReader::TakeDescriptor() {
  if (descriptors_.empty()) {
    Fail("a descriptor is missing");
    return -1;
  }
  const int fd = descriptors_.front();
  descriptors_.pop_front();
  return fd;
}

std::string StateReader::TakeText(const Text& text) {
  if (text.number() == 0) return text.bytes();
  auto found = texts_.extract(text.number());
  if (found.empty()) {
    Fail("a text is missing");
    return {};
  }
  return std::move(*found.mapped());
}

std::shared_ptr<std::string> StateReader::Shared(const Text& text) {
  const auto found = texts_.find(text.number());
  if (found != texts_.end()) {
    found->second
        ->shrink_to_fit();  // it may be here for long; nobody has a pointer into it before it is whole
    return found->second;
  }
  Fail("a text is missing");
  return std::make_shared<std::string>();
}

void StateReader::Fail(std::string why) {
  if (wrong_.empty()) wrong_ = std::move(why);
}

}  // namespace dormouse::takeover
