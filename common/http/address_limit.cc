#include "common/http/address_limit.h"

#include <random>

namespace dormouse {
namespace {

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

// The finalizer of SplitMix64.
size_t AddressLimit::Hash::operator()(uint64_t key) const {
  uint64_t x = key ^ seed;
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9u;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11ebu;
  return x ^ (x >> 31);
}

AddressLimit::AddressLimit(uint32_t limit) : limit_(limit), visitors_(0, Hash{RandomSeed()}) {}

std::optional<AddressLimit::Seat> AddressLimit::Take(const IpAddress& address) {
  if (limit_ == 0) return Seat();
  const uint64_t key = address.Visitor();
  Visitor& visitor = visitors_.try_emplace(key, Visitor{this, key, 0}).first->second;
  if (visitor.sockets >= limit_) return std::nullopt;
  ++visitor.sockets;
  return Seat(&visitor);
}

AddressLimit::Seat AddressLimit::TakeAgain(uint64_t key) {
  Visitor& visitor = visitors_.try_emplace(key, Visitor{this, key, 0}).first->second;
  ++visitor.sockets;
  return Seat(&visitor);
}

void AddressLimit::GiveBack(Visitor* visitor) {
  if (--visitor->sockets == 0) visitors_.erase(visitor->key);
}

}  // namespace dormouse
