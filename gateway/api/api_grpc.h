// The second port for backends (option api-grpc-listen): what the first says in HTTP and JSON, as the service Hubs of
// proto/api.proto. Takes calls, and asks for their keys; what becomes of them is ApiServer's, with the same bounds.
//
//   call -> key -> asked (on the completion thread) -> answered from any thread
//
// Threading: construct, StopListening and destroy on the main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/auth/api_keys.h"
#include "proto/api.pb.h"

namespace dormouse {

class ApiGrpc {
 public:
  using Answered = std::function<void(const api::Reply& reply)>;
  // `key`: the name of the backend's.
  using Asked = std::function<void(const std::string& key, api::Request request, Answered answered)>;

  // Throws std::runtime_error, with a sentence, where the port cannot be had.
  ApiGrpc(const std::string& listen, std::shared_ptr<const ApiKeys> keys, uint64_t max_request, Asked asked);
  // What is under way is not answered any more.
  ~ApiGrpc();
  ApiGrpc(const ApiGrpc&) = delete;
  ApiGrpc& operator=(const ApiGrpc&) = delete;

  int port() const;
  // Nobody comes any more; what is under way is answered.
  void StopListening();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dormouse
