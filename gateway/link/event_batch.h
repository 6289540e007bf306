// The event records of one message to a lane, where they lie in their shards' logs: they are copied once,
// into the message. Valid as long as nothing is settled.
//
// Plain data; one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse {

class EventBatch {
 public:
  void Append(std::string_view bytes) {
    parts_.push_back(bytes);
    size_ += bytes.size();
  }
  void Clear() {
    parts_.clear();
    size_ = 0;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::vector<std::string_view>& parts() const { return parts_; }

 private:
  std::vector<std::string_view> parts_;
  size_t size_ = 0;
};

}  // namespace dormouse
