// How a server has gRPC put the next call of one method into the objects that will serve it.
#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>

#include <functional>

namespace dormouse {

// `Writer`: what answers the call. `queue`: a CompletionThread's, of this server.
template <typename Request, typename Writer>
using RequestCall = std::function<void(grpc::ServerContext* context, Request* request, Writer* writer,
                                       grpc::CompletionQueue* queue, void* tag)>;

// `request`: RequestNAME of `service`, gRPC's AsyncService, which outlives the completion thread.
template <typename Service, typename Base, typename Request, typename Writer>
RequestCall<Request, Writer> RequestCallOf(Service* service,
                                           void (Base::*request)(grpc::ServerContext*, Request*, Writer*,
                                                                 grpc::CompletionQueue*,
                                                                 grpc::ServerCompletionQueue*, void*)) {
  return [service, request](grpc::ServerContext* context, Request* into, Writer* writer,
                            grpc::CompletionQueue* queue, void* tag) {
    (service->*request)(context, into, writer, queue, static_cast<grpc::ServerCompletionQueue*>(queue), tag);
  };
}

}  // namespace dormouse
