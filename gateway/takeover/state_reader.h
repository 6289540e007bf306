// Reads what a StateWriter wrote: hands out item after item, with their texts and descriptors. What makes no sense is
// said in a sentence, and nothing can be read after it.
//
// Owns descriptors that came and were not taken. One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "proto/takeover.pb.h"

namespace dormouse::takeover {

class StateReader {
 public:
  // Where chunks come from.
  class Source {
   public:
    virtual ~Source() = default;
    // False: there is none, which `*wrong` says. The descriptors are the caller's.
    virtual bool Next(Chunk* chunk, std::vector<int>* descriptors, std::string* wrong) = 0;
  };

  // Outlives this.
  explicit StateReader(Source* source) : source_(source) {}
  ~StateReader();
  StateReader(const StateReader&) = delete;
  StateReader& operator=(const StateReader&) = delete;

  // The next item that is no piece; nullptr: there is none (see wrong()). Valid until the next call.
  const Item* Next();
  // The next descriptor of those that came with this item and before it; -1: there is none, and that is wrong.
  int TakeDescriptor();
  // Whether some have come that nobody has taken.
  bool has_descriptors() const { return !descriptors_.empty(); }

  // The bytes of a text. A number that is not known is wrong, and empty.
  std::string TakeText(const Text& text);  // of a text that is nobody else's
  std::shared_ptr<std::string> Shared(const Text& text);

  // Something makes no sense.
  void Fail(std::string why);
  // Empty: nothing is wrong so far.
  const std::string& wrong() const { return wrong_; }

 private:
  Source* const source_;
  Chunk chunk_;
  int next_ = 0;
  std::deque<int> descriptors_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<std::string>> texts_;
  std::string wrong_;
};

}  // namespace dormouse::takeover
