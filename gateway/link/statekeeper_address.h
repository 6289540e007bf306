// A statekeeper process as the shard map describes it, and the ways to it: by the unix socket of a lane where that is on
// this host, else by its TCP port. By gRPC only where it is of the version before and knows no other way, as long as a
// roll-out takes (deploy/upgrade.md), or where its unix sockets have longer paths than sockets can have.
//
// Threading: the gateway's loop thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/rpc/link_channel.h"
#include "common/rpc/link_stream.h"
#include "gateway/link/stream_dialer.h"
#include "proto/link.pb.h"

namespace dormouse {

class CompletionThread;
class StreamInbox;

class StatekeeperAddress {
 public:
  StatekeeperAddress(const link::Member& member, const std::shared_ptr<const LinkCredentials>& credentials)
      : member_(member),
        unix_("unix:" + member.unix_path(), credentials),
        address_(member.address(), credentials),
        dialer_(member.address(), credentials) {}

  const link::Member& member() const { return member_; }
  uint64_t incarnation() const { return member_.incarnation(); }
  const std::string& name() const {
    return member_.address().empty() ? member_.unix_path() : member_.address();
  }
  // As a later map has it: where the first one was of a statekeeper that knew less of it.
  void Update(const link::Member& member) { member_.set_framed(member.framed()); }
  // Opens a stream to a lane: by the unix socket where it is on this host, on odd attempts by the address,
  // for the path may be another host's. Its arrivals come to `inbox`; when it cannot be opened, that is
  // Arrival::kClosed.
  std::shared_ptr<LinkStream> Open(uint32_t lane, const grpc::ByteBuffer& greeting, uint32_t attempt,
                                   int64_t steady_ms, CompletionThread* thread,
                                   const std::shared_ptr<StreamInbox>& inbox);

 private:
  link::Member member_;
  LinkTarget unix_;
  LinkTarget address_;
  StreamDialer dialer_;
};

}  // namespace dormouse
