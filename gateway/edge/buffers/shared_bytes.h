// Bytes that wait for sockets: kept once, for however many they wait, and counted once in what the waiting of
// all takes.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/edge/buffers/outbound_budget.h"
#include "gateway/link/shared_tail.h"

namespace dormouse::edge {

// Made when the first socket has to wait; goes, and is counted no more, with the last.
class SharedBytes {
 public:
  SharedBytes(std::string_view bytes, OutboundBudget* budget)
      : bytes_(std::make_shared<std::string>(bytes)), budget_(budget), number_(budget->bodies++) {
    budget_->memory += memory();
  }
  // The same bytes as somebody else's.
  SharedBytes(std::shared_ptr<std::string> bytes, OutboundBudget* budget)
      : bytes_(std::move(bytes)), budget_(budget), number_(budget->bodies++) {
    budget_->memory += memory();
  }
  ~SharedBytes() { budget_->memory -= memory(); }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;

  size_t size() const { return bytes_->size(); }
  std::string_view view() const { return *bytes_; }
  // The same bytes for events, which may need them longer than sockets do; they are not counted here then.
  SharedTail AsTail() {
    return {.bytes = {bytes_, bytes_->data()}, .size = size(), .counts = !std::exchange(is_tail_, true)};
  }

  size_t memory() const { return bytes_->capacity() + kOverhead; }
  uint64_t number() const { return number_; }  // the larger, the later

 private:
  static constexpr size_t kOverhead = 160;  // of three blocks of memory

  std::shared_ptr<std::string> bytes_;
  OutboundBudget* budget_;
  uint64_t number_;
  bool is_tail_ = false;
};

using SharedBody = std::shared_ptr<SharedBytes>;

}  // namespace dormouse::edge
