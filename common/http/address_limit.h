// How many sockets one visitor may hold: an IPv4 address, or the /64 of an IPv6 one.
//
// Remembers only visitors that have sockets. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include "common/http/ip_address.h"

namespace dormouse {

class AddressLimit {
 public:
  explicit AddressLimit(uint32_t limit);  // 0: no limit, and nothing is remembered
  AddressLimit(const AddressLimit&) = delete;
  AddressLimit& operator=(const AddressLimit&) = delete;

 private:
  struct Visitor {
    AddressLimit* limit;
    uint64_t key;
    uint32_t sockets;
  };

 public:
  // A socket's place under its visitor's limit, given back when it goes. The limit outlives it.
  class Seat {
   public:
    Seat() = default;  // none
    Seat(Seat&& other) noexcept : visitor_(std::exchange(other.visitor_, nullptr)) {}
    Seat& operator=(Seat&& other) noexcept {
      std::swap(visitor_, other.visitor_);
      return *this;
    }
    ~Seat() {
      if (visitor_ != nullptr) visitor_->limit->GiveBack(visitor_);
    }

    // nullopt: it is under no limit.
    std::optional<uint64_t> key() const {
      return visitor_ == nullptr ? std::nullopt : std::optional(visitor_->key);
    }

   private:
    friend class AddressLimit;
    explicit Seat(Visitor* visitor) : visitor_(visitor) {}
    Visitor* visitor_ = nullptr;
  };

  // From now on. Sockets that came while there was no limit do not count.
  void set_limit(uint32_t limit) { limit_ = limit; }
  // nullopt: the visitor has as many as it may.
  std::optional<Seat> Take(const IpAddress& address);
  // The seat that had that key in another process, whatever the limit is.
  Seat TakeAgain(uint64_t key);
  size_t visitors() const { return visitors_.size(); }

 private:
  // Visitors choose their addresses, so where they go in the table is a secret of this process.
  struct Hash {
    uint64_t seed;
    size_t operator()(uint64_t key) const;
  };
  void GiveBack(Visitor* visitor);

  uint32_t limit_;
  std::unordered_map<uint64_t, Visitor, Hash> visitors_;
};

}  // namespace dormouse
