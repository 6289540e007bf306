#include "statekeeper/store/redis/cluster_slots.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "statekeeper/store/redis/redis_errors.h"
#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {
namespace {

// CRC-16 of XMODEM: polynomial 0x1021, begins with 0.
constexpr std::array<uint16_t, 256> kCrcTable = [] {
  std::array<uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[byte] = static_cast<uint16_t>(crc);
  }
  return table;
}();

bool ParsePort(std::string_view text, int* port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *port);
  return error == std::errc() && end == text.data() + text.size() && *port > 0 && *port < 65'536;
}

}  // namespace

uint16_t ClusterSlotOf(std::string_view key) {
  if (const size_t open = key.find('{'); open != std::string_view::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  uint16_t crc = 0;
  for (const char byte : key) {
    crc = static_cast<uint16_t>((crc << 8) ^ kCrcTable[(crc >> 8) ^ static_cast<uint8_t>(byte)]);
  }
  return crc % kClusterSlots;
}

bool ClusterSlots::Parse(const redisReply& reply, const RedisAddress& asked) {
  if (reply.type != REDIS_REPLY_ARRAY) return false;
  ClusterSlots parsed;
  for (size_t i = 0; i < reply.elements; ++i) {
    const redisReply& range = *reply.element[i];  // first slot, last slot, the master, replicas
    if (range.type != REDIS_REPLY_ARRAY || range.elements < 3) return false;
    const redisReply& master = *range.element[2];  // host, port, id, ...
    const int64_t first = range.element[0]->integer;
    const int64_t last = range.element[1]->integer;
    if (first < 0 || last < first || last >= kClusterSlots || master.type != REDIS_REPLY_ARRAY ||
        master.elements < 2) {
      return false;
    }
    const redisReply& host = *master.element[0];
    RedisAddress address{host.str == nullptr ? "" : std::string(Text(host)),
                         static_cast<int>(master.element[1]->integer)};
    if (address.host.empty()) address.host = asked.host;
    if (address.host == "?") continue;  // it has a name that is not known yet
    const uint16_t node = parsed.IndexOf(address);
    std::fill(parsed.owners_.begin() + first, parsed.owners_.begin() + last + 1, node);
  }
  parsed.complete_ = std::find(parsed.owners_.begin(), parsed.owners_.end(), kNobody) == parsed.owners_.end();
  *this = std::move(parsed);
  return true;
}

const RedisAddress* ClusterSlots::OwnerOf(uint16_t slot) const {
  return owners_[slot] == kNobody ? nullptr : &nodes_[owners_[slot]];
}

void ClusterSlots::SetOwner(uint16_t slot, const RedisAddress& owner) { owners_[slot] = IndexOf(owner); }

bool ClusterSlots::Owns(const RedisAddress& node) const {
  return std::find(nodes_.begin(), nodes_.end(), node) != nodes_.end();
}

uint16_t ClusterSlots::IndexOf(const RedisAddress& node) {
  const auto index = static_cast<uint16_t>(std::find(nodes_.begin(), nodes_.end(), node) - nodes_.begin());
  if (index == nodes_.size()) nodes_.push_back(node);
  return index;
}

std::optional<ClusterRedirect> ParseRedirect(std::string_view error, const RedisAddress& asked) {
  ClusterRedirect redirect;
  redirect.ask = IsErrorCode(error, "ASK");
  if (!redirect.ask && !IsErrorCode(error, "MOVED")) return std::nullopt;
  const std::string_view address = error.substr(error.rfind(' ') + 1);
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || !ParsePort(address.substr(colon + 1), &redirect.to.port)) {
    return std::nullopt;
  }
  redirect.to.host = address.substr(0, colon);
  if (redirect.to.host.empty()) redirect.to.host = asked.host;
  return redirect;
}

}  // namespace dormouse
