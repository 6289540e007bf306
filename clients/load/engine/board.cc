#include "clients/load/engine/board.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace dormouse::load {

namespace {

// The first that is said stays.
template <size_t N>
void Write(const std::string& text, char (&to)[N], std::atomic<bool>* written) {
  if (written->load()) return;
  const size_t size = std::min(text.size(), N - 1);
  std::memcpy(to, text.data(), size);
  to[size] = 0;
  written->store(true);
}

}  // namespace

void Slot::SayTrouble(const std::string& text) { Write(text, trouble, &has_trouble); }
void Slot::SayFailure(const std::string& text) { Write(text, failure, &has_failure); }

}  // namespace dormouse::load
