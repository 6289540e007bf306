// The keys of session tickets (RFC 8446, 4.6.1; RFC 5077): with its ticket a client that comes again spares both ends
// most of a handshake, and the server keeps nothing for it.
//
// Keys follow from a secret and the time, so that processes with a secret in common take each other's tickets, and
// each key is for one period; tickets of the period before are still taken, and replaced. TLS 1.3 adds fresh keys to
// each session. In TLS 1.2 who gets hold of a ticket's key can read what was said: those are of a secret which this
// process has made for itself and which goes with it.
//
// Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse {

class TlsTickets {
 public:
  static constexpr int64_t kPeriodMs = int64_t{6} * 3'600'000;
  static constexpr size_t kNameSize = 16;

  // A secret of 32 bytes or more that several processes have in common: it may be another one each time, and empty for
  // none.
  using Secret = std::function<std::string()>;
  explicit TlsTickets(Secret shared = nullptr);

  struct Key {
    std::string name;     // kNameSize; in the clear in the ticket
    std::string cipher;   // AES-256-CBC
    std::string mac;      // HMAC-SHA-256, 32 bytes
    bool is_old = false;  // of the period before
  };
  // For a new ticket. `in_common`: others may take it.
  Key New(bool in_common, int64_t wall_ms) const;
  // Of a ticket that a client shows. Nothing: it is not ours, or too old.
  std::optional<Key> Find(std::string_view name, int64_t wall_ms) const;

 private:
  std::string SharedSecret() const;

  const Secret shared_;
  const std::string own_;
};

}  // namespace dormouse
