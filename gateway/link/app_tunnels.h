// Ways to apps that are served on other hosts: a socket of this process for each request, whose other end is a worker
// there, by way of its statekeeper and with the cluster's credentials (byte_tunnel.h).
//
// Threading: the gateway's loop thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/byte_tunnel.h"
#include "common/rpc/link_channel.h"

namespace dormouse {

class AppTunnels {
 public:
  // `thread` outlives it.
  AppTunnels(CompletionThread* thread, std::shared_ptr<const LinkCredentials> credentials)
      : thread_(thread), credentials_(std::move(credentials)) {}

  // Statekeepers that there are: HOST:PORT. Channels to others are let go; requests that are under way go on.
  void Keep(const std::vector<std::string>& addresses);
  // A socket that does not block, the caller's. -1: it cannot be reached now.
  int Connect(const std::string& address);
  // What is under way is broken off, and nothing is begun any more.
  void End() { tunnels_.reset(); }

 private:
  CompletionThread* const thread_;
  const std::shared_ptr<const LinkCredentials> credentials_;
  std::map<std::string, LinkChannel> channels_;
  std::unique_ptr<ByteTunnels> tunnels_;  // made when there is one
};

}  // namespace dormouse
