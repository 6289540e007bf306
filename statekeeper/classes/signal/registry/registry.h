// The registrations of one hub, in rows. Addresses are bare throughout.
//
//   a/ADDRESS                  Registration; of the tokens that renew it, only hashes
//   s/CONNECTION/a/ADDRESS     its expiry: what a session's end has to remove
//   n                          how many there are
//
// Its time to live counts from the last sign of life of its session's socket, and the edge alone hears all of
// those. So a registration whose ttl is longer than a silent socket stays open has no deadline while there is
// a socket: a hub whose clients only heartbeat has nothing to wake for. With a shorter ttl the edge is asked
// when the deadline has come. Without a socket the ttl runs from when that was heard last. Signs of life of a
// session whose token has expired do not count.
//
// A registration is invisible as soon as it has expired or its session has ended; its rows go later, with a
// deadline (state/deadlines.h) or with the session's others. Every call but the listing ones touches a number
// of rows that does not grow with the registry.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/classes/signal/state/hub_memory.h"
#include "statekeeper/classes/signal/state/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

ConnectionId ConnectionOf(const Registration& registration);

class Registry {
 public:
  // Lives within one handler.
  Registry(Context& context, const HubMemory& memory) : context_(context), memory_(memory) {}

  // The registration of an address. Find: only while it is alive.
  std::optional<Registration> Find(const std::string& address);
  std::optional<Registration> FindEvenExpired(const std::string& address);
  // With a socket it lives until its deadline was looked at.
  bool IsAlive(const Registration& registration) const {
    return !IsOfEnded(registration) && (registration.expires_ms() == 0 || IsOnline(registration) ||
                                        registration.expires_ms() > context_.now_ms());
  }
  // Whether its session has a socket.
  bool IsOnline(const Registration& registration) const {
    return !memory_.absent.Contains(ConnectionOf(registration));
  }

  // Gives a registration of this session this ttl, from now on.
  void SetTtl(int64_t ttl_ms, const Session& session, Registration* registration) const;
  // Whether it ends without renewals although its socket is heard now and then, as heartbeats do.
  bool NeedsRenewal(int64_t ttl_ms) const { return ttl_ms < memory_.heard_within_ms; }
  // When it would end if this were the last sign of life.
  int64_t ExpiresAt(const Registration& registration) const {
    return NeedsRenewal(registration.ttl_ms()) ? registration.expires_ms()
                                               : context_.now_ms() + registration.ttl_ms();
  }

  // Rows, those of invisible registrations included until they are removed.
  size_t row_count();
  // Registrations that are alive.
  size_t Count();

  // Writes a registration; `old` is what is there now, if anything.
  void Put(const std::string& address, const Registration& registration,
           const std::optional<Registration>& old);
  void Remove(const std::string& address, const Registration& registration);
  // Of a connection's registrations, removes up to `limit`, or hands them to another connection. Returns how
  // many there were to handle.
  size_t RemoveSomeOf(const ConnectionId& connection, size_t limit);
  size_t MoveSome(const ConnectionId& from, const ConnectionId& to, size_t limit);

  // Living registrations whose address begins with `prefix`, by address, until `visit` returns false.
  using Visit = std::function<bool(std::string_view address, const Registration& registration)>;
  void ForEach(std::string_view prefix, const Visit& visit);

  // A deadline of the address has come. Adds to `to_ask` whose last sign of life decides
  // (Context::AskLastSeen).
  void OnDeadline(const std::string& address, std::vector<ConnectionId>* to_ask);
  // What the edge says of that.
  void OnSeen(const Connection& connection);
  // The session of a connection has no socket any more, and waits.
  void OnSocketLost(const Connection& connection, int64_t resume_window_ms);

 private:
  bool IsOfEnded(const Registration& registration) const {
    return memory_.absent.HasEnded(ConnectionOf(registration));
  }
  struct Own {
    std::string address;
    std::string expiry;
  };
  void Expire(const std::string& address, const Registration& registration);
  std::vector<Own> SomeOf(const ConnectionId& connection, size_t limit);
  void Forget(const std::string& address, const std::string& connection, int64_t expires_ms);
  void SetRowCount(size_t count);

  Context& context_;
  const HubMemory& memory_;
};

}  // namespace dormouse::signal
