#include "common/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "common/hex.h"

namespace dormouse {
namespace {

void FillFromKernel(void* out, size_t size) {
  auto* bytes = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t got = getrandom(bytes, size, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::perror("getrandom");
      std::abort();  // no identity without randomness
    }
    bytes += got;
    size -= static_cast<size_t>(got);
  }
}

constexpr char kHexDigits[] = "0123456789abcdef";

void AppendBigEndian(uint64_t value, std::string* out) {
  for (int shift = 56; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

uint64_t ReadBigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string UuidText(uint64_t high, uint64_t low) {
  std::string out(36, '-');
  size_t at = 0;
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (at == 8 || at == 13 || at == 18 || at == 23) ++at;
    const uint64_t half = nibble < 16 ? high : low;
    out[at++] = kHexDigits[half >> (60 - 4 * (nibble % 16)) & 0xf];
  }
  return out;
}

}  // namespace

uint64_t Random64() {
  thread_local std::mt19937_64 generator = [] {
    uint32_t seed[8];
    FillFromKernel(seed, sizeof(seed));
    std::seed_seq sequence(std::begin(seed), std::end(seed));
    return std::mt19937_64(sequence);
  }();
  return generator();
}

std::string ConnectionId::ToString() const { return UuidText(gateway, handle); }

std::string ConnectionId::ToBytes() const {
  std::string out;
  out.reserve(16);
  AppendBigEndian(gateway, &out);
  AppendBigEndian(handle, &out);
  return out;
}

std::optional<ConnectionId> ConnectionId::Parse(std::string_view uuid) {
  if (uuid.size() != 36) return std::nullopt;
  uint64_t halves[2] = {0, 0};
  int nibbles = 0;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (uuid[i] != '-') return std::nullopt;
      continue;
    }
    const int value = HexValue(uuid[i]);
    if (value < 0) return std::nullopt;
    uint64_t& half = halves[nibbles++ / 16];
    half = half << 4 | static_cast<uint64_t>(value);
  }
  return ConnectionId{halves[0], halves[1]};
}

std::optional<ConnectionId> ConnectionId::FromBytes(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  return ConnectionId{ReadBigEndian(bytes.substr(0, 8)), ReadBigEndian(bytes.substr(8))};
}

GatewayId NewGatewayId() {
  uint64_t bits;
  FillFromKernel(&bits, sizeof(bits));
  return UuidHigh(bits);
}

std::string NewUuid() { return UuidText(UuidHigh(Random64()), UuidLow(Random64())); }

std::string TimeOrderedIds::Next(int64_t now_ms, uint64_t tail) {
  last_ = std::max(last_ + 1, static_cast<uint64_t>(now_ms) << kCounterBits | kLateIds);
  return Print(last_, tail);
}

std::string TimeOrderedIds::Late(int64_t then_ms, uint32_t nth, uint64_t tail) {
  return Print(static_cast<uint64_t>(then_ms) << kCounterBits | std::min(nth, kLateIds - 1), tail);
}

std::string TimeOrderedIds::Print(uint64_t stamp, uint64_t tail) {
  return UuidText(stamp >> kCounterBits << 16 | 0x7000u | (stamp & 0xfffu), UuidLow(tail));
}

bool TimeOrderedIds::IsOne(std::string_view text) {
  const std::optional<ConnectionId> id = ConnectionId::Parse(text);
  return id.has_value() && text[14] == '7' && id->ToString() == text;
}

std::string NewSecretHex(size_t bytes) {
  std::string raw(bytes, '\0');
  FillFromKernel(raw.data(), raw.size());
  std::string out;
  out.reserve(2 * bytes);
  for (const char c : raw) {
    out.push_back(kHexDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kHexDigits[static_cast<unsigned char>(c) & 0xf]);
  }
  return out;
}

}  // namespace dormouse
