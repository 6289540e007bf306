#include "clients/hubs/js/sqlite/page_store.h"

#include <algorithm>
#include <cstring>

namespace dormouse {

PageStore::PageStore(uint32_t page_count, Reader reader)
    : reader_(std::move(reader)), page_count_(page_count), stored_count_(page_count) {}

bool PageStore::Read(uint32_t number, uint8_t* page) {
  const auto found = pages_.find(number);
  if (found == pages_.end() && number <= stored_count_) return reader_(number, page);
  if (found == pages_.end() || !found->second.bytes) {
    memset(page, 0, kHubPageSize);
  } else {
    memcpy(page, found->second.bytes.get(), kHubPageSize);
  }
  return true;
}

void PageStore::Write(uint32_t number, const uint8_t* page) {
  Page& kept = Changed(number);
  if (!kept.bytes) kept.bytes.reset(new uint8_t[kHubPageSize]);
  memcpy(kept.bytes.get(), page, kHubPageSize);
  page_count_ = std::max(page_count_, number);
}

void PageStore::Resize(uint32_t page_count) {
  // What had been cut off must not come back with what was in it when the file grows again.
  for (uint32_t number = page_count + 1; number <= page_count_; ++number) Changed(number).bytes.reset();
  page_count_ = page_count;
}

PageStore::Page& PageStore::Changed(uint32_t number) {
  const auto [at, is_new] = pages_.try_emplace(number);
  Page& page = at->second;
  if (is_new || page.taken != 0) untaken_.push_back(number);
  page.taken = 0;
  return page;
}

PageStore::Changes PageStore::Take() {
  Changes changes;
  changes.number = ++last_take_;
  changes.page_count = page_count_;
  std::sort(untaken_.begin(), untaken_.end());
  changes.pages.reserve(untaken_.size());
  for (const uint32_t number : untaken_) {
    Page& page = pages_[number];
    page.taken = last_take_;
    changes.pages.emplace_back(number, page.bytes.get());
  }
  if (!untaken_.empty()) unconfirmed_.emplace_back(last_take_, std::move(untaken_));
  untaken_.clear();
  stored_count_ = page_count_;
  return changes;
}

void PageStore::Confirm(uint64_t number) {
  while (!unconfirmed_.empty() && unconfirmed_.front().first <= number) {
    for (const uint32_t page : unconfirmed_.front().second) {
      const auto found = pages_.find(page);
      // It may have changed again since.
      if (found != pages_.end() && found->second.taken == unconfirmed_.front().first) pages_.erase(found);
    }
    unconfirmed_.pop_front();
  }
}

}  // namespace dormouse
