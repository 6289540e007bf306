// The port for backends of a gateway (option api-listen; clients/api.md): HTTP/1.1, kept open from request to request, on a
// thread and a loop of its own, so that nothing that backends do keeps sockets waiting.
//
//   connection -> key, head -> body -> HubClient -> answer -> the next request of the connection
//
// A second port has the same for gRPC (api_grpc.h), with the same client, keys and bounds.
//
// One request of a connection is under way at a time: so those of one connection reach their hub in their order.
//
// Bounds: api-calls under way (503), with one key (429), of one hub (429); api-body (413); api-timeout (504). A hub that
// never answers takes its own share of the first, and of nobody's time.
//
// Threading: construct, StopListening, Finish and destroy on the main thread.
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/auth/api_keys.h"
#include "common/rpc/link_credentials.h"
#include "common/tracing/tracer.h"

namespace dormouse {

class ApiServer {
 public:
  struct Config {
    std::string listen;       // HOST:PORT; empty: there is no HTTP
    int listening = -1;       // a socket that listens there already, which it takes; -1: none
    std::string grpc_listen;  // HOST:PORT for gRPC (api_grpc.h); empty: there is none
    std::shared_ptr<const ApiKeys> keys;
    std::vector<std::string> statekeepers;
    std::shared_ptr<const LinkCredentials> credentials;
    int64_t timeout_ms = 10'000;
    uint64_t max_body = 1u << 20;
    uint32_t max_calls = 10'000;
    uint32_t max_calls_per_key = 10'000;
    uint32_t max_calls_per_hub = 1'000;
    Tracer* tracer = nullptr;  // outlives the server; nullptr: nothing is traced
  };

  // Throws std::runtime_error, with a sentence, where the port cannot be had.
  ApiServer(Config config, prometheus::Registry* registry);
  // What is under way is not answered any more.
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // 0: there is none.
  int port() const;
  int grpc_port() const;
  // For this process's successor; -1: there is no HTTP.
  int listening() const;
  // Nobody comes any more; who is there is answered what is under way, and closed. Who asks nothing is closed at once,
  // or after `idle_ms`: what he has sent meanwhile may be on its way.
  void StopListening(int64_t idle_ms = 0);
  // Waits, so long at most, until nothing is under way.
  void Finish(int64_t patience_ms);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dormouse
