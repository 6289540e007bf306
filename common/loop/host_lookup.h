// Looks up a host's addresses without blocking the loop: the C library's resolver may take many seconds when
// the name server does not answer. One object, one lookup; destroying it forgets the lookup.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

struct ev_loop;

namespace dormouse {

// An IPv4 or IPv6 address: needs no lookup.
bool IsNumericAddress(const std::string& host);

class HostLookup {
 public:
  // Numeric addresses in the resolver's order of preference; none: `error` says why. Runs on the loop, once.
  using Callback = std::function<void(std::vector<std::string> addresses, std::string error)>;

  HostLookup(struct ev_loop* loop, const std::string& host, Callback done);
  ~HostLookup();
  HostLookup(const HostLookup&) = delete;
  HostLookup& operator=(const HostLookup&) = delete;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with the thread that looks up
};

}  // namespace dormouse
