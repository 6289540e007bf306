// The server of a statekeeper (service Edge of link.proto): accepts gateways' streams and brings them to each
// lane's GatewayLinks. Beside each unix socket on which it listens, each lane has one of its own for the streams
// of this host's gateways; those of other hosts come by the TCP port (LinkPort). Either way the lane's loop reads
// and writes them itself (FramedStream).
//
// gRPC carries everything else, and Link streams of gateways of the version before, for as long as a roll-out
// takes (deploy/upgrade.md): ServerStream is for those alone. Its streams share one completion-queue thread.
//
// Threading: create, start and destroy on the main thread; lanes get their GatewayLinks before Start.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/link.pb.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/link/link_service.h"

namespace dormouse {

class LinkGate;

class LinkServer {
 public:
  struct Config {
    std::vector<std::string> addresses = {};  // HOST:PORT and unix:PATH to listen on
    // Of all that is not a unix socket; nullptr: there may be no such address. Who can reach a unix socket is
    // believed: its directory must be the user's own.
    std::shared_ptr<const LinkGate> gate = nullptr;
    uint64_t incarnation = 0;
    uint32_t lanes = 1;
    GatewayLinks::Config links = {};  // of each lane; incarnation and lane are filled in here
    // More services of the same server (for other statekeepers, for operators); they outlive it.
    std::vector<LinkService*> services = {};
  };

  virtual ~LinkServer() = default;  // closes all streams and waits for them

  // The links of one lane, for that lane's thread and `loop`. Call once per lane, before Start, on the lane's
  // thread or before that runs the loop. The result is destroyed on the lane's thread, before the server.
  virtual std::unique_ptr<GatewayLinks> NewGatewayLinks(uint32_t lane, struct ev_loop* loop,
                                                        GatewayLinks::Receiver* receiver) = 0;

  // Listens. False: an address cannot be had; `*error` says which, for the operator. A unix socket that
  // nobody serves any more is replaced.
  virtual bool Start(std::string* error) = 0;
  // Of the first HOST:PORT address, once started: what the kernel chose for port 0.
  virtual int port() const = 0;

  // The map that WatchShards streams; callable any time from any thread, sent to all watchers. Streams are
  // refused until there is one. A lane must know of a shard's epoch before the map says so: events come at
  // once.
  virtual void Publish(link::ShardMap map) = 0;
  // That map may be out of date, and others may know better: ends WatchShards streams, and refuses them until
  // the next Publish. From any thread.
  virtual void Withdraw() = 0;
};

std::unique_ptr<LinkServer> NewLinkServer(LinkServer::Config config);

}  // namespace dormouse
