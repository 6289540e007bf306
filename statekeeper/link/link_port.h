// A statekeeper's TCP port: one for everybody. Its thread accepts, sees by the first byte who it is
// (common/rpc/link_opening.h), and passes on those that it has nothing against:
//
//   gRPC (calls of other processes and of operators, streams of gateways of the version before) -> gRPC's server
//   streams of our own, once the handshake of TLS is over and the gate has let them in -> their lane's loop
//
// A stranger costs nobody but this thread anything: who is not through after five seconds is closed, and of those that
// are not yet there is a bounded number, beyond which the oldest goes. What it reads of somebody that it does not know
// is an opening of 4 KiB at most.
//
// Threading: made, started and destroyed on the main thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "common/http/ip_address.h"
#include "common/http/listener.h"
#include "common/log_limit.h"
#include "common/loop/loop_wake.h"
#include "common/rpc/link_gate.h"
#include "common/rpc/stream_bytes.h"
#include "proto/link.pb.h"

namespace dormouse {

class LinkPort {
 public:
  // On the port's thread.
  struct Hosts {
    // A connection that is gRPC's; the descriptor is the callee's.
    std::function<void(int fd)> grpc;
    // A stream that was let in, to a lane, and what was read of it behind its opening. Not OK: it ends so.
    std::function<grpc::Status(uint32_t lane, std::unique_ptr<StreamBytes>* bytes, std::string received)>
        lane;
  };

  // Binds and listens. nullptr: `*error` says why the address cannot be had.
  static std::unique_ptr<LinkPort> Listen(const std::string& address, std::shared_ptr<const LinkGate> gate,
                                          std::string* error);
  ~LinkPort();  // closes who has not been passed on
  LinkPort(const LinkPort&) = delete;
  LinkPort& operator=(const LinkPort&) = delete;

  int number() const { return listener_.port(); }
  // From now on visitors are served.
  void Start(Hosts hosts);

 private:
  // Somebody who has come, and has not been passed on.
  struct Visitor;

  explicit LinkPort(std::shared_ptr<const LinkGate> gate);
  bool OnAccepted(int fd, const IpAddress& from, bool crowded);
  void OnEvent(Visitor* visitor);
  // What each returns: whether there is more to be done at once.
  bool ReadMark(Visitor* visitor);
  bool ShakeHands(Visitor* visitor);
  void ReadOpening(Visitor* visitor);
  void PassOn(Visitor* visitor, const link::StreamOpening& opening);
  // Tells it why.
  void Refuse(Visitor* visitor, const grpc::Status& why);
  // To the log.
  void Say(const Visitor& visitor, const std::string& what);
  void Close(Visitor* visitor);
  void CloseOldest(const char* why);
  void OnDeadline();
  void ArmDeadline();

  const std::shared_ptr<const LinkGate> gate_;
  const size_t max_visitors_;
  Hosts hosts_;
  struct ev_loop* const loop_;
  LoopWake stop_;
  ev_timer deadline_;
  std::list<Visitor> visitors_;  // in the order in which they came
  Listener listener_;
  LogLimit log_limit_;
  std::thread thread_;
};

}  // namespace dormouse
