// Where the app is served: the sockets of living statekeepers' workers, as the shard map has them, and what leads to
// those of other hosts. Requests go to them by turns; one that nobody answers at is passed over.
//
// On the loop's thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace dormouse::edge {

class AppAddresses {
 public:
  // To what is no path; as Connect.
  using Connector = std::function<int(const std::string& address)>;

  void set_connector(Connector connector) { connector_ = std::move(connector); }
  void Set(std::vector<std::string> addresses) { addresses_ = std::move(addresses); }
  // Whether there is an app at all.
  bool any() const { return !addresses_.empty(); }

  // A connection to the next that takes one: a socket that does not block, the caller's. -1: none does.
  int Connect();

 private:
  int ConnectTo(const std::string& address) const;

  Connector connector_;
  std::vector<std::string> addresses_;
  size_t next_ = 0;
};

}  // namespace dormouse::edge
