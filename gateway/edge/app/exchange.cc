#include "gateway/edge/app/exchange.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "gateway/edge/app/app_heads.h"

namespace dormouse::edge {
namespace {

bool IsTransient(int error) { return error == EAGAIN || error == EINTR; }

// Takes off the front what the socket takes. False: it takes nothing any more.
bool Send(const ClientSocket& socket, std::string* bytes, int64_t* moved_ms) {
  while (!bytes->empty() || !socket.is_flushed()) {
    const ssize_t sent = socket.Write(*bytes);
    if (sent < 0) return IsTransient(errno);
    *moved_ms = SteadyMs();
    if (static_cast<size_t>(sent) == bytes->size()) {
      *bytes = {};  // and its memory
    } else {
      bytes->erase(0, static_cast<size_t>(sent));
    }
  }
  return true;
}

}  // namespace

Exchange::Exchange(struct ev_loop* loop, Owner* owner, Kind kind, const HttpRequest& request,
                   const Client& client, std::string head)
    : loop_(loop),
      owner_(owner),
      kind_(kind),
      socket_(std::move(*client.socket)),
      peer_(client.peer),
      client_address_(client.address),
      crowded_(client.crowded),
      is_head_(request.method == "HEAD"),
      minor_version_(request.minor_version),
      body_(HttpBody::Of(request)),
      to_worker_(std::move(head)),
      moved_ms_(SteadyMs()) {
  if ((is_head_ || request.method == "GET") && body_.done()) again_ = to_worker_;
  ev_io_init(
      &client_,
      [](struct ev_loop*, ev_io* io, int events) { static_cast<Exchange*>(io->data)->OnClient(events); },
      socket_.fd, EV_READ);
  ev_io_init(
      &worker_,
      [](struct ev_loop*, ev_io* io, int events) { static_cast<Exchange*>(io->data)->OnWorker(events); }, -1,
      EV_READ);
  client_.data = this;
  worker_.data = this;
}

Exchange::~Exchange() {
  TimerWheel::Cancel(this);
  ev_io_stop(loop_, &client_);
  ev_io_stop(loop_, &worker_);
  if (socket_.fd >= 0) close(socket_.fd);
  if (is_connected()) close(worker_.fd);
}

bool Exchange::Start(std::string_view rest) {
  if (kind_ == Kind::kSocket) {
    rest_ = rest;
  } else if (!body_.Take(&rest, &to_worker_)) {
    return false;
  }
  UpdateWatchers();
  return true;
}

void Exchange::Connect(int worker_fd) {
  ev_io_set(&worker_, worker_fd, EV_READ);
  moved_ms_ = SteadyMs();
  WriteWorker();
  UpdateWatchers();
}

// --- From the client to the worker.

void Exchange::OnClient(int events) {
  if ((events & EV_WRITE) != 0 && !WriteClient()) return;
  if ((events & EV_READ) != 0 && !OnClientReadable()) return;
  UpdateWatchers();
}

bool Exchange::OnClientReadable() {
  if (!WantsBody()) return OnClientReadableWithoutBody();
  if (!to_worker_.empty()) return true;
  std::array<char, kReadSize> buffer;
  const ssize_t size = socket_.Read(buffer.data(), buffer.size());
  if (size < 0 && IsTransient(errno)) return true;
  if (size <= 0) {
    owner_->OnBroken(this, AppFailure::kClientGone);
    return false;
  }
  moved_ms_ = SteadyMs();
  std::string_view in(buffer.data(), static_cast<size_t>(size));
  if (!body_.Take(&in, &to_worker_)) return Fail(AppFailure::kBadRequest);
  WriteWorker();
  return true;
}

// It has said all, or all that anybody wants to hear.
bool Exchange::OnClientReadableWithoutBody() {
  // Of a WebSocket nothing is taken, for it is not for here; nor does it matter here what is said under TLS.
  std::array<char, 4'096> buffer;
  const int how = MSG_DONTWAIT | (kind_ == Kind::kSocket ? MSG_PEEK : 0);
  const ssize_t size = recv(client_.fd, buffer.data(), buffer.size(), how);
  if (size < 0 && IsTransient(errno)) return true;
  if (size < 0 || (size == 0 && (kind_ == Kind::kSocket || !body_.done()))) {
    owner_->OnBroken(this, AppFailure::kClientGone);
    return false;
  }
  client_ended_ |= size == 0;
  ignored_ += kind_ == Kind::kSocket ? kMaxIgnored : static_cast<size_t>(size);
  return true;
}

void Exchange::WriteWorker() {
  if (worker_is_deaf_ || Send({.fd = worker_.fd, .seat = {}, .tls = nullptr}, &to_worker_, &moved_ms_))
    return;
  // It may have answered all the same.
  worker_is_deaf_ = true;
  to_worker_ = {};
}

// --- From the worker to the client.

void Exchange::OnWorker(int events) {
  if ((events & EV_WRITE) != 0) WriteWorker();
  if ((events & EV_READ) != 0 && !OnWorkerReadable()) return;
  UpdateWatchers();
}

bool Exchange::OnWorkerReadable() {
  std::array<char, kReadSize> buffer;
  const ssize_t size = recv(worker_.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && IsTransient(errno)) return true;
  if (size <= 0) return OnWorkerEnd(size == 0);
  moved_ms_ = SteadyMs();
  again_ = {};
  return TakeAnswer({buffer.data(), static_cast<size_t>(size)}) && WriteClient();
}

// It may have died with connections that it had not taken.
void Exchange::Disconnect() {
  ev_io_stop(loop_, &worker_);
  close(worker_.fd);
  ev_io_set(&worker_, -1, EV_READ);
  to_worker_ = std::exchange(again_, {});
  worker_is_deaf_ = false;
  moved_ms_ = SteadyMs();
  UpdateWatchers();
}

bool Exchange::OnWorkerEnd(bool in_order) {
  if (!answer_begun_ && answer_head_.empty() && !again_.empty()) {
    Disconnect();
    owner_->OnUnconnected(this);
    return false;
  }
  if (!answer_begun_ || !in_order || !answer_.ends_with_connection()) return Fail(AppFailure::kWorkerGone);
  owner_->OnAnswered(this);  // all of it has been written: else nothing would have been read
  return false;
}

bool Exchange::TakeAnswer(std::string_view bytes) {
  if (!answer_begun_) {
    answer_head_.append(bytes);
    std::string_view rest = answer_head_;
    while (!answer_begun_) {
      const size_t end = FindHeadEnd(rest, looked_at_);
      if (end > kMaxAnswerHead || (end == 0 && rest.size() > kMaxAnswerHead))
        return Fail(AppFailure::kBadAnswer);
      if (end == 0) {
        looked_at_ = rest.size();
        answer_head_.erase(0, answer_head_.size() - rest.size());
        return true;
      }
      looked_at_ = 0;
      const std::string_view head = rest.substr(0, end);
      rest.remove_prefix(end);
      if (!TakeHead(head, &rest)) return false;
    }
    answer_head_ = {};
    return true;
  }
  return answer_.Take(&bytes, &to_client_) || Fail(AppFailure::kBadAnswer);
}

// `rest`: what comes after it; the body's part of it is taken.
bool Exchange::TakeHead(std::string_view head, std::string_view* rest) {
  HttpResponse answer;
  if (!ParseHttpResponse(head, &answer) || answer.status == 101) return Fail(AppFailure::kBadAnswer);
  if (answer.IsInterim()) {
    // To one that waits for a WebSocket it would be the answer, and HTTP/1.0 knows of none.
    if (kind_ == Kind::kRequest && minor_version_ > 0) to_client_ += WriteInterimAnswer(answer);
    return true;
  }
  if (kind_ == Kind::kSocket && owner_->OnSocketAnswer(this, answer)) return false;
  const std::optional<HttpBody> body = HttpBody::Of(answer, is_head_);
  if (!body.has_value()) return Fail(AppFailure::kBadAnswer);
  answer_ = *body;
  std::string begun = WriteAppAnswer(answer, answer_);
  if (!answer_.Take(rest, &begun)) return Fail(AppFailure::kBadAnswer);
  answer_begun_ = true;
  head_is_sent_ = true;
  to_client_ += begun;
  owner_->OnStatus(this, answer.status);
  return true;
}

bool Exchange::WriteClient() {
  if (!Send(socket_, &to_client_, &moved_ms_)) {
    owner_->OnBroken(this, AppFailure::kClientGone);
    return false;
  }
  if (!to_client_.empty() || !answer_begun_ || !answer_.done()) return true;
  owner_->OnAnswered(this);
  return false;
}

// --- How it ends.

bool Exchange::Fail(AppFailure failure) {
  if (head_is_sent_ || !to_client_.empty()) {
    owner_->OnBroken(this, failure);
  } else {
    owner_->OnFailed(this, failure);
  }
  return false;
}

int64_t Exchange::CheckTime(const Patience& patience, int64_t now_ms) {
  const int64_t half_closed_ms = std::min(patience.timeout_ms, patience.half_closed_ms);
  const int64_t still_ms = !is_connected() ? patience.connect_ms
                           : client_ended_ ? half_closed_ms
                                           : patience.timeout_ms;
  const int64_t still_until_ms = moved_ms_ + still_ms;
  const bool is_late = patience.deadline_ms != 0 && now_ms >= patience.deadline_ms;
  if (!is_late && now_ms < still_until_ms) {
    const int64_t deadline_ms = patience.deadline_ms == 0 ? INT64_MAX : patience.deadline_ms;
    return std::min({still_until_ms, deadline_ms, now_ms + half_closed_ms});  // it may become half-closed
  }
  const bool client_is_awaited = !to_client_.empty() || (WantsBody() && to_worker_.empty());
  Fail(is_late             ? AppFailure::kGatewayStops
       : !is_connected()   ? AppFailure::kNoWorker
       : client_is_awaited ? AppFailure::kClientSlow
                           : AppFailure::kWorkerSlow);
  return 0;
}

ClientSocket Exchange::ReleaseClient() {
  ev_io_stop(loop_, &client_);
  ClientSocket released = std::move(socket_);
  socket_.fd = -1;
  return released;
}

void Exchange::ResetClient() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void Exchange::UpdateWatchers() {
  const bool reads_client =
      !client_ended_ && ignored_ < kMaxIgnored && (body_.done() || (!worker_is_deaf_ && to_worker_.empty()));
  Watch(&client_, (reads_client ? EV_READ : 0) | (to_client_.empty() && socket_.is_flushed() ? 0 : EV_WRITE));
  if (is_connected())
    Watch(&worker_, (to_client_.empty() ? EV_READ : 0) | (to_worker_.empty() ? 0 : EV_WRITE));
}

void Exchange::Watch(ev_io* io, int events) {
  if (ev_is_active(io) && (io->events & (EV_READ | EV_WRITE)) == events) return;
  ev_io_stop(loop_, io);
  if (events == 0) {
    io->events &= ~(EV_READ | EV_WRITE);
    return;
  }
  ev_io_set(io, io->fd, events);
  ev_io_start(loop_, io);
}

}  // namespace dormouse::edge
