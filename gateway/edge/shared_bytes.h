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

#include "gateway/link/shared_tail.h"

namespace dormouse {

// What waits for all sockets of a gateway. Outlives what counts here.
struct OutboundBudget {
  uint64_t limit = UINT64_MAX;
  uint64_t memory = 0;    // that it takes: shared bytes once, and what each socket has of its own
  uint64_t queued = 0;    // bytes of messages, for each socket that they wait for
  uint64_t kept = 0;      // memory for what was written and may have to come back (unconfirmed.h)
  uint64_t answered = 0;  // the part of it that clients' machines have answered for
  uint64_t bodies = 0;    // SharedBytes that were ever made
};

// Made when the first socket has to wait; goes, and is counted no more, with the last.
class SharedBytes {
 public:
  SharedBytes(std::string_view bytes, OutboundBudget* budget)
      : bytes_(std::make_shared<std::string>(bytes)), budget_(budget), number_(budget->bodies++) {
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

}  // namespace dormouse
