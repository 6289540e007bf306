// One request on its way to the app, and the answer on its way back: a client's socket, a worker's, and the
// bytes between them.
//
// Each way holds what one read brought and no more: the next is made once the other side has taken it, so
// that a body of any size passes in bounded memory, and who is slow slows down whoever sends to him. The
// answer may come before the request is whole. Whoever goes, the other one is let go, too.
//
// Each connection serves one exchange: where the next request begins is never to be decided. A request that does no
// harm when it is made twice (RFC 9110, 9.2.2), and has no body, is made once more when its worker has gone without a
// word.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/http/client_socket.h"
#include "common/http/front_door.h"
#include "common/http/http_body.h"
#include "common/http/http_request.h"
#include "common/http/http_response.h"
#include "common/http/ip_address.h"
#include "common/loop/timer_wheel.h"
#include "gateway/edge/metrics/gateway_metrics.h"

namespace dormouse::edge {

// Its timer is the owner's, who is asked to look at it (CheckTime) when it fires.
class Exchange : public TimerNode {
 public:
  enum class Kind {
    kRequest,
    kSocket,  // the client waits for a WebSocket: what it says after the head is not for the app
  };
  // Each of these is the last call for its exchange, and may free it, but OnStatus.
  class Owner {
   public:
    virtual ~Owner() = default;
    // The final answer's head has come, and goes on to the client.
    virtual void OnStatus(Exchange* exchange, int status) = 0;
    // The client has been sent the whole answer.
    virtual void OnAnswered(Exchange* exchange) = 0;
    // Nothing of a final answer has been sent: the client can be told.
    virtual void OnFailed(Exchange* exchange, AppFailure failure) = 0;
    // Some has been, or nobody is there to be told: both connections are to be broken off.
    virtual void OnBroken(Exchange* exchange, AppFailure failure) = 0;
    // Its worker has gone, and it waits for another one (Connect). It is not over.
    virtual void OnUnconnected(Exchange* exchange) = 0;
    // Of kSocket: the final answer, before anything of it is passed on. True: it was no ordinary one, and has
    // been dealt with.
    virtual bool OnSocketAnswer(Exchange* exchange, const HttpResponse& answer) = 0;
  };

  // A client whose request is passed on. Views and pointers are needed by the constructor alone.
  struct Client {
    ClientSocket* socket;
    const IpAddress& peer;
    const IpAddress& address;  // who it is, as far as can be believed
    bool crowded;
  };
  // `owner` outlives this. Takes the client's socket. `head`: what the worker is to be sent first.
  Exchange(struct ev_loop* loop, Owner* owner, Kind kind, const HttpRequest& request, const Client& client,
           std::string head);
  ~Exchange();  // closes what sockets it still has
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // What came with the head. False: it is broken; nobody has been called, nobody will be.
  bool Start(std::string_view rest);
  // Takes the worker's socket; until then the request waits here, and no more of it is read.
  void Connect(int worker_fd);
  bool is_connected() const { return worker_.fd >= 0; }

  struct Patience {
    int64_t timeout_ms;  // that it may stand still
    // The same, where the client has ended its half of the connection: it waits for its answer, or is gone,
    // and which of the two is not known until something is sent to it.
    int64_t half_closed_ms;
    int64_t connect_ms;   // that it may wait for a worker
    int64_t deadline_ms;  // SteadyMs(); 0: none
  };
  // When to look again; 0: it has taken too long, and is over.
  int64_t CheckTime(const Patience& patience, int64_t now_ms);

  // Gives the client's socket up, which is the caller's then.
  ClientSocket ReleaseClient();
  // The client is to notice that something is missing: its connection is reset.
  void ResetClient();

  // Of kSocket: the request as the client sent it, and what came after it.
  void KeepRequest(std::string_view head) { request_head_ = head; }
  const std::string& request_head() const { return request_head_; }
  const std::string& rest() const { return rest_; }
  bool is_head() const { return is_head_; }
  Kind kind() const { return kind_; }
  const IpAddress& peer() const { return peer_; }
  const IpAddress& client_address() const { return client_address_; }
  bool crowded() const { return crowded_; }

 private:
  static constexpr size_t kMaxAnswerHead = 32'768;
  static constexpr size_t kReadSize = 32'768;
  static constexpr size_t kMaxIgnored = 65'536;

  // These return false where the exchange is over, and may have been freed.
  bool OnClientReadable();
  bool OnClientReadableWithoutBody();
  bool OnWorkerReadable();
  bool OnWorkerEnd(bool in_order);
  void Disconnect();
  bool TakeAnswer(std::string_view bytes);
  bool TakeHead(std::string_view head, std::string_view* rest);
  bool WriteClient();
  bool Fail(AppFailure failure);

  void OnClient(int events);
  void OnWorker(int events);
  void WriteWorker();
  bool WantsBody() const { return !body_.done() && !worker_is_deaf_; }
  void UpdateWatchers();
  void Watch(ev_io* io, int events);

  struct ev_loop* const loop_;
  Owner* const owner_;
  const Kind kind_;
  ev_io client_;
  ev_io worker_;
  ClientSocket socket_;  // the client's
  const IpAddress peer_;
  const IpAddress client_address_;
  const bool crowded_;
  const bool is_head_;
  const int minor_version_;

  HttpBody body_;                // the request's
  std::string to_worker_;        // what it has not taken yet
  std::string again_;            // what another worker would be sent; empty: none would
  bool worker_is_deaf_ = false;  // it takes no more
  bool client_ended_ = false;    // its half of the connection
  size_t ignored_ = 0;           // bytes of the client after its request
  std::string request_head_;
  std::string rest_;

  std::string answer_head_;  // as far as it has come
  size_t looked_at_ = 0;     // of it, for its end
  bool answer_begun_ = false;
  HttpBody answer_;
  std::string to_client_;
  bool head_is_sent_ = false;  // something of the final answer may have gone out
  int64_t moved_ms_;           // when something was read or written last
};

}  // namespace dormouse::edge
