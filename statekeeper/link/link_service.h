// One more service of the edge link's server. It is served by the server's completion thread, never by gRPC's
// callback API: that starts threads of its own, which poll the sockets of the whole process and wake for each
// message of the link. The same goes for the calls that a service makes to other processes.
//
// Threading: the main thread's.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include "common/rpc/completion_thread.h"

namespace dormouse {

class LinkService {
 public:
  virtual ~LinkService() = default;

  virtual grpc::Service* service() = 0;
  // The server listens: takes calls on `thread`, until the server shuts down.
  virtual void Serve(CompletionThread* thread) = 0;
  // The server is about to shut down and to end the calls that it has taken. What this service itself has
  // begun on the thread must end now, too; nothing is begun any more.
  virtual void Stop() {}
};

}  // namespace dormouse
