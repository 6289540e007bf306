// Opens a gateway's streams to the TCP port of one statekeeper, in frames of our own, with the cluster's credentials.
// All lanes share what a lookup of its name has found; who has failed has it looked up again, once a second at most.
//
// Threading: the gateway's loop thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/loop/host_lookup.h"
#include "common/rpc/framed_stream.h"
#include "common/rpc/link_credentials.h"
#include "common/rpc/stream_inbox.h"

namespace dormouse {

class StreamDialer {
 public:
  // `address`: HOST:PORT. `credentials`: nullptr: none, and it will be refused.
  StreamDialer(const std::string& address, std::shared_ptr<const LinkCredentials> credentials);

  // Whether this is an address that it can dial: gRPC knows others ("dns://...").
  static bool CanDial(const std::string& address);

  // `again`: the last one failed.
  std::shared_ptr<LinkStream> Open(uint32_t lane, const grpc::ByteBuffer& greeting, bool again,
                                   int64_t steady_ms, const std::shared_ptr<StreamInbox>& inbox);

 private:
  void LookUp(struct ev_loop* loop, int64_t steady_ms);
  void OnFound(struct ev_loop* loop, std::vector<std::string> addresses, const std::string& error);
  void Dial(struct ev_loop* loop, const std::shared_ptr<FramedStream>& stream, uint32_t lane);

  const std::shared_ptr<const LinkCredentials> credentials_;
  std::string host_;
  std::string port_;
  std::vector<std::string> addresses_;  // of host_; empty: not known
  int64_t looked_up_ms_ = 0;
  std::unique_ptr<HostLookup> lookup_;                                     // under way
  std::vector<std::pair<std::weak_ptr<FramedStream>, uint32_t>> waiting_;  // for that, with their lanes
};

}  // namespace dormouse
