// The registrations of one hub, in rows. Addresses are bare throughout.
//
//   a/ADDRESS                  Registration
//   s/CONNECTION/a/ADDRESS     its expiry: what a session's end has to remove
//   x/EXPIRY/ADDRESS           nothing of interest: who expires when
//   n                          how many there are
//
// An expired registration is invisible at once; its rows go with the next alarm, which is set for the
// earliest expiry or sooner. Every call but the listing ones touches a number of rows that does not grow with
// the registry.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "statekeeper/classes/signal/stored.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

class Registry {
 public:
  // Lives within one handler.
  explicit Registry(Context& context) : context_(context) {}

  // The registration of an address. Find: only while it is alive.
  std::optional<Registration> Find(const std::string& address);
  std::optional<Registration> FindEvenExpired(const std::string& address);
  bool IsAlive(const Registration& registration) const {
    return registration.expires_ms() > context_.now_ms();
  }

  // Rows, those of expired registrations included until they are removed.
  size_t row_count();
  // Registrations that are alive.
  size_t Count();

  // Writes a registration; `old` is what is there now, if anything.
  void Put(const std::string& address, const Registration& registration,
           const std::optional<Registration>& old);
  void Remove(const std::string& address, const Registration& registration);
  void RemoveAllOf(const ConnectionId& connection);

  // Living registrations whose address begins with `prefix`, by address, until `visit` returns false.
  using Visit = std::function<bool(std::string_view address, const Registration& registration)>;
  void ForEach(std::string_view prefix, const Visit& visit);

  // Removes at most `limit` expired registrations and sets the alarm for the next. To be called by the alarm.
  void RemoveExpired(size_t limit);

 private:
  void Forget(const std::string& address, const std::string& connection, const std::string& expiry);
  void SetRowCount(size_t count);
  void ExpectExpiry(int64_t expires_ms);

  Context& context_;
};

ConnectionId ConnectionOf(const Registration& registration);

}  // namespace dormouse::signal
