#include "gateway/edge/sockets/web_sockets.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace dormouse::edge {

WebSockets::WebSockets(struct ev_loop* loop, Owner* owner) : loop_(loop), owner_(owner) {
  ev_idle_init(&keep_turning_,
               [](struct ev_loop* turning, ev_idle* idle, int) { ev_idle_stop(turning, idle); });
}

bool WebSockets::Adopt(ClientSocket* socket, std::string_view answer, std::string_view rest,
                       Connection* connection) {
  const int fd = socket->fd;
  // A fresh socket takes far more than this.
  if (socket->Write(answer) != static_cast<ssize_t>(answer.size()) || rest.size() > kBufferSize - kMaxRead) {
    close(fd);
    return false;
  }
  connection->tls = std::move(socket->tls);
  connection->is_pair = socket->is_pair;
  InitWatcher(fd, EV_READ, connection);
  if (connection->tls != nullptr && connection->tls->unsent() > 0) FlushTls(connection);
  if (!rest.empty()) {
    connection->unread = std::make_unique<std::string>(rest);
    Reschedule(connection);
  }
  return true;
}

void WebSockets::Restore(int fd, int events, Connection* connection) {
  InitWatcher(fd, events, connection);
  const bool has_more_to_read = connection->unread != nullptr && !connection->reading_paused;
  if (connection->aborted || has_more_to_read) Reschedule(connection);
}

void WebSockets::InitWatcher(int fd, int events, Connection* connection) {
  ev_io_init(
      &connection->io,
      [](struct ev_loop*, ev_io* io, int happened) {
        auto* watcher = reinterpret_cast<SocketWatcher*>(io);  // its only member
        static_cast<WebSockets*>(io->data)->OnEvent(static_cast<Connection*>(watcher), happened);
      },
      fd, events);
  connection->io.data = this;
  ev_io_start(loop_, &connection->io);
}

void WebSockets::OnEvent(Connection* connection, int events) {
  if (connection->ready_events == 0) ready_.push_back(connection);
  connection->ready_events |= events;
}

void WebSockets::OnTurnEnd() {
  // Handling calls back nobody at once: what it feeds to the loop comes in a later turn.
  for (size_t i = ready_.size(); i-- > 0;) {
    if (ready_[i]->reader.remaining() > kMinRead) {
      in_long_frame_.push_back(ready_[i]);
    } else {
      HandleReady(ready_[i]);
    }
  }
  ready_.clear();
  for (size_t left = kLongFrameBytes; !in_long_frame_.empty() && left > 0;) {
    Connection* connection = in_long_frame_.front();
    in_long_frame_.pop_front();
    left -= std::min<size_t>(left, std::min<uint64_t>(connection->reader.remaining(), kMaxRead));
    HandleReady(connection);
  }
  if (!in_long_frame_.empty()) ev_idle_start(loop_, &keep_turning_);
}

void WebSockets::HandleReady(Connection* connection) {
  Handle(connection, std::exchange(connection->ready_events, 0));
}

void WebSockets::Handle(Connection* connection, int events) {
  if (connection->aborted) return Gone(connection);
  if ((events & (EV_READ | EV_CUSTOM)) != 0 && !Read(connection, (events & EV_READ) != 0)) return;
  if ((events & EV_WRITE) == 0 || connection->aborted) return;
  if (connection->tls != nullptr && !FlushTls(connection)) return;
  sender_->OnWritable(connection);
}

// False: the connection is gone.
bool WebSockets::Read(Connection* connection, bool from_socket) {
  size_t size = 0;
  if (connection->unread != nullptr) {
    size = connection->unread->size();
    std::memcpy(buffer_.get(), connection->unread->data(), size);
    connection->unread.reset();
  }
  bool has_ended = false;
  // What has been left unread time and again comes first: there is room for a read behind it, always.
  if ((from_socket || connection->tls != nullptr) && size <= kBufferSize - kMaxRead) {
    const size_t wanted = std::clamp<uint64_t>(connection->reader.remaining(), kMinRead, kMaxRead);
    const ssize_t read = ReadSocket(*connection, buffer_.get() + size, wanted, &has_ended);
    if (read < 0 && errno != EAGAIN && errno != EINTR) {
      Gone(connection);
      return false;
    }
    size += static_cast<size_t>(std::max<ssize_t>(read, 0));
  }
  if (!has_ended || size > 0) Parse(connection, {buffer_.get(), size});
  // What is left unread comes before the end, which is found again.
  return !has_ended || (connection->reading_paused && size > 0) || OnEnd(connection);
}

// As recv, but for the end, which may come along with what was said before it.
ssize_t WebSockets::ReadSocket(const Connection& connection, char* buffer, size_t wanted, bool* has_ended) {
  if (connection.tls == nullptr) {
    const ssize_t read = recv(connection.io.fd, buffer, wanted, MSG_DONTWAIT);
    *has_ended = read == 0;
    return read;
  }
  // With that nothing stays in the session that the socket does not tell of.
  const TlsSession::Result read = connection.tls->Read(buffer, std::max(wanted, TlsSession::kReadRoom));
  *has_ended = read.state == TlsSession::State::kEnded;
  // Of a failure nothing comes after what was read: it fails again.
  if (read.size == 0 && !*has_ended) errno = read.state == TlsSession::State::kFailed ? EPROTO : EAGAIN;
  return read.size > 0 || *has_ended ? static_cast<ssize_t>(read.size) : -1;
}

// False: the connection is gone.
bool WebSockets::OnEnd(Connection* connection) {
  // Who has said all that there is to say may still want to hear the answer.
  if (connection->input_ignored && !connection->close_sent) {
    connection->peer_ended = true;
    Watch(connection, connection->io.events & EV_WRITE);
    return true;
  }
  Gone(connection);
  return false;
}

void WebSockets::Parse(Connection* connection, std::span<char> bytes) {
  while (!connection->input_ignored && !connection->aborted && !connection->reading_paused) {
    const FrameReader::Step step = connection->reader.Next(&bytes);
    switch (step.kind) {
      case FrameReader::Kind::kNothing:
        if (!bytes.empty()) connection->unread = std::make_unique<std::string>(bytes.data(), bytes.size());
        return;
      case FrameReader::Kind::kPiece:
        receiver_->OnPiece(connection, step);
        break;
      case FrameReader::Kind::kPing:
        receiver_->OnPing(connection, step.data);
        break;
      case FrameReader::Kind::kPong:
        receiver_->OnPong(connection, step.data);
        break;
      case FrameReader::Kind::kClose:
        connection->input_ignored = true;
        receiver_->OnPeerClose(connection, step.code, step.data);
        break;
      case FrameReader::Kind::kFail:
        connection->input_ignored = true;
        receiver_->OnProtocolError(connection, step.code, step.data);
        break;
    }
  }
  if (connection->reading_paused && !connection->input_ignored && !bytes.empty())
    connection->unread = std::make_unique<std::string>(bytes.data(), bytes.size());
}

ssize_t WebSockets::Write(Connection* connection, const WriteBatch& batch) {
  if (connection->aborted) return -1;
  const ssize_t written =
      connection->tls == nullptr ? batch.SendTo(connection->io.fd) : WriteTls(connection, batch);
  if (written >= 0) return written;
  if (errno == EAGAIN || errno == EINTR) return 0;
  // What a client said before it went is still to be read, and so is the end.
  if (connection->reading_paused || !PeerHasClosed(*connection)) Abort(connection);
  return -1;
}

// As WriteBatch::SendTo. What short pieces there are go out as one record.
ssize_t WebSockets::WriteTls(Connection* connection, const WriteBatch& batch) {
  if (record_ == nullptr) record_ = std::make_unique<char[]>(TlsSession::kMaxRecord);
  TlsSession* const tls = connection->tls.get();
  size_t written = 0;
  while (written < batch.size()) {
    const std::string_view bytes = batch.Gather(written, record_.get(), TlsSession::kMaxRecord);
    const TlsSession::Result result = tls->Write(bytes);
    written += result.size;
    if (result.state == TlsSession::State::kFailed && written == 0) {
      errno = EPIPE;
      return -1;
    }
    if (result.state != TlsSession::State::kDone) break;
  }
  if (tls->unsent() > 0 && !connection->flushing) {
    connection->flushing = true;
    Watch(connection, (connection->io.events & EV_READ) | EV_WRITE);
  }
  if (written > 0) return static_cast<ssize_t>(written);
  errno = EAGAIN;
  return -1;
}

// Hands the kernel what the session keeps. True: it has nothing, and the sender waits for the socket.
bool WebSockets::FlushTls(Connection* connection) {
  const TlsSession::State state =
      connection->ending_output ? connection->tls->Shutdown() : connection->tls->Flush();
  connection->flushing = state == TlsSession::State::kWantsWrite;
  if (state == TlsSession::State::kFailed) {
    Abort(connection);
    return false;
  }
  Watch(connection, (connection->io.events & EV_READ) |
                        (connection->flushing || connection->sender_waits ? EV_WRITE : 0));
  if (connection->flushing) return false;
  if (connection->ending_output) shutdown(connection->io.fd, SHUT_WR);
  return connection->sender_waits;
}

void WebSockets::WantWritable(Connection* connection, bool on) {
  connection->sender_waits = on;
  on = on || connection->flushing;
  Watch(connection, (connection->io.events & EV_READ) | (on ? EV_WRITE : 0));
}

void WebSockets::SetReading(Connection* connection, bool on) {
  if (connection->reading_paused == !on) return;
  connection->reading_paused = !on;
  if (connection->peer_ended) return;
  Watch(connection, (connection->io.events & EV_WRITE) | (on ? EV_READ : 0));
  // An end that a session has read already is told of by nothing else.
  if (on && (connection->unread != nullptr || connection->tls != nullptr)) Reschedule(connection);
}

void WebSockets::EndOutput(Connection* connection) {
  if (connection->peer_ended) return Abort(connection);
  if (connection->tls == nullptr) {
    shutdown(connection->io.fd, SHUT_WR);
  } else {
    connection->ending_output = true;
    FlushTls(connection);
  }
}

void WebSockets::Abort(Connection* connection) {
  if (connection->aborted) return;
  connection->aborted = true;
  Reschedule(connection);
}

void WebSockets::CloseSilently(Connection* connection) {
  ev_io_stop(loop_, &connection->io);
  close(connection->io.fd);
}

void WebSockets::Gone(Connection* connection) {
  const int fd = connection->io.fd;
  ev_io_stop(loop_, &connection->io);
  connection->peer_ended = true;  // it is not to be watched again
  owner_->OnGone(connection);
  close(fd);
}

// This may be while a turn ends: what comes of it then is for the end of another.
void WebSockets::Reschedule(Connection* connection) {
  ev_feed_event(loop_, &connection->io, EV_CUSTOM);
  ev_idle_start(loop_, &keep_turning_);
}

void WebSockets::Watch(Connection* connection, int events) {
  ev_io& io = connection->io;
  if ((io.events & (EV_READ | EV_WRITE)) == events) return;
  const int pending = ev_clear_pending(loop_, &io) & EV_CUSTOM;
  ev_io_stop(loop_, &io);
  ev_io_set(&io, io.fd, events);
  ev_io_start(loop_, &io);
  if (pending != 0) Reschedule(connection);
}

bool WebSockets::PeerHasClosed(const Connection& connection) {
  pollfd socket{connection.io.fd, POLLRDHUP, 0};
  return poll(&socket, 1, 0) > 0;
}

int WebSockets::UnacknowledgedBytes(const Connection& connection) {
  int bytes = 0;
  if (ioctl(connection.io.fd, SIOCOUTQ, &bytes) != 0) bytes = 0;
  return bytes + (connection.tls == nullptr ? 0 : static_cast<int>(connection.tls->unsent()));
}

int64_t WebSockets::SinceLastDataMs(const Connection& connection) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(connection.io.fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return INT64_MAX;
  return info.tcpi_last_data_recv;
}

}  // namespace dormouse::edge
