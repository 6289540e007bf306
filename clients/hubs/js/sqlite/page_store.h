// The file that a hub's database lies in, as pages which are rows of the hub: it asks for a page when somebody reads
// it, and keeps what was written until that can be read from the rows again.
//
// Written pages go out by Take, and are kept further until Confirm says that a reader would get them: between the two
// they are under way to the store. Clean pages are not kept here, SQLite's own cache does that.
//
// Used by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace dormouse {

constexpr size_t kHubPageSize = 4096;

class PageStore {
 public:
  // Fills `page` with that page (from 1 on), with zeros where there is no such row. False: it cannot be read.
  using Reader = std::function<bool(uint32_t number, uint8_t* page)>;

  struct Changes {
    uint64_t number = 0;  // for Confirm
    uint32_t page_count = 0;
    // nullptr: the page is gone, or holds nothing that will be read. The bytes are valid until the next call of this
    // object.
    std::vector<std::pair<uint32_t, const uint8_t*>> pages;
  };

  PageStore(uint32_t page_count, Reader reader);

  uint32_t page_count() const { return page_count_; }
  bool Read(uint32_t number, uint8_t* page);
  void Write(uint32_t number, const uint8_t* page);
  // Makes it that long: cuts pages off, or adds some that were not written yet.
  void Resize(uint32_t page_count);

  bool changed() const { return !untaken_.empty() || page_count_ != stored_count_; }
  // What has changed since the last time, in the order of the pages.
  Changes Take();
  // All that was taken up to this number is what a reader gets from now on.
  void Confirm(uint64_t number);

  // Pages that are in memory, for tests.
  size_t kept() const { return pages_.size(); }

 private:
  struct Page {
    std::unique_ptr<uint8_t[]> bytes;  // null: zeros, and no row
    uint64_t taken = 0;                // the number of the Take that it went out with; 0: none yet
  };

  // The page, which is to go out with the next Take.
  Page& Changed(uint32_t number);

  const Reader reader_;
  uint32_t page_count_;
  uint32_t stored_count_;  // as the last Take said: pages beyond have no rows
  std::unordered_map<uint32_t, Page> pages_;
  std::vector<uint32_t> untaken_;
  std::deque<std::pair<uint64_t, std::vector<uint32_t>>> unconfirmed_;
  uint64_t last_take_ = 0;
};

}  // namespace dormouse
