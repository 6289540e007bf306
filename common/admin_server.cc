#include "common/admin_server.h"

#include <httplib.h>
#include <prometheus/text_serializer.h>

#include <stdexcept>
#include <thread>
#include <utility>

namespace dormouse {

struct AdminServer::Impl {
  httplib::Server server;
  std::thread thread;
};

AdminServer::AdminServer(const std::string& address, std::shared_ptr<prometheus::Registry> registry,
                         std::function<Readiness()> readiness)
    : impl_(std::make_unique<Impl>()) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos)
    throw std::runtime_error("admin address '" + address + "' is not HOST:PORT");
  const std::string host = address.substr(0, colon);
  const int port = std::atoi(address.c_str() + colon + 1);

  httplib::Server& server = impl_->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(1); };
  server.set_keep_alive_max_count(1);
  // The library's default would let a second process share the port in silence.
  server.set_socket_options([](int socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain");
  });
  server.Get("/readyz",
             [readiness = std::move(readiness)](const httplib::Request&, httplib::Response& response) {
               const Readiness now = readiness();
               response.status = now.ready ? 200 : 503;
               response.set_content((now.ready ? "ready" : "not ready: " + now.detail) + "\n", "text/plain");
             });
  server.Get("/metrics",
             [registry = std::move(registry)](const httplib::Request&, httplib::Response& response) {
               response.set_content(prometheus::TextSerializer().Serialize(registry->Collect()),
                                    "text/plain; version=0.0.4; charset=utf-8");
             });

  port_ = port == 0 ? server.bind_to_any_port(host) : (server.bind_to_port(host, port) ? port : -1);
  if (port_ < 0) {
    throw std::runtime_error("cannot listen on admin address " + address +
                             ": is another process using the port? Choose one with --admin");
  }
  impl_->thread = std::thread([&server] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();  // stop() before that would be forgotten
}

AdminServer::~AdminServer() {
  impl_->server.stop();
  impl_->thread.join();
}

}  // namespace dormouse
