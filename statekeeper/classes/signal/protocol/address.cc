#include "statekeeper/classes/signal/protocol/address.h"

#include <algorithm>

#include "common/json/json_writer.h"

namespace dormouse::signal {
namespace {

constexpr size_t kMaxAddress = 256;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

std::optional<Address> Address::Parse(std::string_view text) {
  Address address;
  if (text.starts_with("@(") && text.ends_with(")")) {
    address.canonical = true;
    text.remove_prefix(2);
    text.remove_suffix(1);
  }
  if (text.empty() || text.size() > kMaxAddress || std::ranges::any_of(text, IsControl)) return std::nullopt;
  address.bare = text;
  return address;
}

std::string Address::ToJson() const { return JsonQuoted(ToString()); }

}  // namespace dormouse::signal
