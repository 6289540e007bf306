#include "gateway/edge/web_sockets.h"

#include <libwebsockets.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "common/logging.h"
#include "proto/packed.h"

namespace dormouse {
namespace {

static_assert(kFrameHeadroom >= LWS_PRE);

// Allocated for each connection, and the most that one read takes (plus LWS_PRE). 512 takes the frames of our
// protocols (60-500 bytes) in one read and one of 1,000 bytes in two, for some 400 bytes an idle connection
// more than the least that works (128), which would need eight reads for 1,000 bytes; 1,024 would cost 500
// bytes more again. It is also what one socket gets of a turn of the loop: the library reads once for each
// socket that has something, and so no client makes others wait for more than this of its own.
constexpr size_t kReadSize = 512;
constexpr size_t kServiceBuffer = 4096;
constexpr size_t kMaxPing = 125;  // RFC 6455, 5.5

// What the kernel counts against a socket's buffer: for a write, besides its bytes; and for each byte, where
// its segments are short.
constexpr size_t kPerWrite = 2048;
constexpr size_t kPerByte = 2;
// Not for us: the library's pongs and close frames.
constexpr size_t kReserve = 8192;
// Shorter frames than this are not worth it.
constexpr size_t kLeast = 512;

// It logs at all levels through this. "Calling service" is what it says of each adoption.
void Log(int level, const char* line) {
  std::string_view text(line);
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.find("calling service") != std::string_view::npos) return;
  if (level == LLL_ERR) SPDLOG_WARN("libwebsockets: {}", text);
}

}  // namespace

// The library's one callback, brought to an object.
struct WebSockets::Glue {
  static int OnEvent(lws* socket, enum lws_callback_reasons reason, void* user, void* in, size_t size) {
    auto* self = static_cast<WebSockets*>(lws_context_user(lws_get_context(socket)));
    return self->Handle(socket, reason, static_cast<Connection*>(user), static_cast<char*>(in), size);
  }
};

WebSockets::WebSockets(struct ev_loop* loop, Handler* handler) : handler_(handler) {
  lws_set_log_level(LLL_ERR, Log);
  // Its timers for keeping connections valid are a sorted list with linear insertion: off.
  static const lws_retry_bo_t kNoRetries{};
  static const lws_protocols kProtocols[] = {
      {"dormouse", &Glue::OnEvent, 0, kReadSize, 0, nullptr, kMaxWrite},
      {nullptr, nullptr, 0, 0, 0, nullptr, 0},
  };
  void* loops[] = {loop};
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;  // the listener is ours
  info.protocols = kProtocols;
  info.options = LWS_SERVER_OPTION_LIBEV;
  info.foreign_loops = loops;
  info.retry_and_idle_policy = &kNoRetries;
  info.fd_limit_per_thread = 0;  // else it looks descriptors up one by one
  info.pt_serv_buf_size = kServiceBuffer;
  info.gid = static_cast<decltype(info.gid)>(-1);
  info.uid = static_cast<decltype(info.uid)>(-1);
  info.user = this;
  context_ = lws_create_context(&info);
  if (context_ != nullptr) vhost_ = lws_get_vhost_by_name(context_, "default");
}

WebSockets::~WebSockets() {
  handler_ = nullptr;  // those that are still open end unheard
  if (context_ != nullptr) lws_context_destroy(context_);
}

bool WebSockets::Adopt(int fd, const Upgrade& upgrade, Connection* connection) {
  // The request was read and judged already, so the library gets one that says only what it needs: it answers
  // at once, within this call, and never waits for a header. The sub-protocol is kept from it, because it
  // refuses those that it does not know, and added to its answer (AddHeaders).
  std::string request =
      "GET / HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
      "13\r\n"
      "Sec-WebSocket-Key: ";
  request.append(upgrade.key).append("\r\n\r\n").append(upgrade.rest);
  Adoption adoption{connection, upgrade.subprotocol};
  adopting_ = &adoption;
  lws* socket = lws_adopt_socket_vhost_readbuf(vhost_, fd, request.data(), request.size());
  adopting_ = nullptr;
  if (!adoption.opened && socket != nullptr)
    lws_set_timeout(socket, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
  return adoption.opened;
}

int WebSockets::Handle(lws* socket, int reason, Connection* connection, char* in, size_t size) {
  if (handler_ == nullptr) return 0;
  switch (reason) {
    case LWS_CALLBACK_ADD_HEADERS:
      return AddHeaders(in);
    case LWS_CALLBACK_ESTABLISHED:
      if (adopting_ == nullptr) return -1;
      adopting_->opened = true;
      adopting_->connection->socket = socket;
      lws_set_wsi_user(socket, adopting_->connection);
      handler_->OnOpen(adopting_->connection);
      return 0;
    case LWS_CALLBACK_RECEIVE:
      OnReceive(socket, connection, in, size);
      return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
      handler_->OnPong(connection, {in, size});
      return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: {
      const auto* bytes = reinterpret_cast<const unsigned char*>(in);
      if (size < 2) {
        handler_->OnPeerClose(connection, 1005, {});
      } else {
        handler_->OnPeerClose(connection, static_cast<uint16_t>(bytes[0] << 8 | bytes[1]),
                              {in + 2, size - 2});
      }
      return 0;
    }
    case LWS_CALLBACK_SERVER_WRITEABLE:
      // Also called without being asked for, such as after a pong.
      // CloseNow left a close frame: to return -1 makes the library send it.
      return lws_partial_buffered(socket) == 0 && handler_->OnWritable(connection) ? -1 : 0;
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL: {
      // The first it says of a connection that ends by its own decision; a close frame may go out yet.
      if (connection == nullptr) return 0;
      const int length = lws_get_close_length(socket);
      const unsigned char* frame = lws_get_close_payload(socket);
      if (length >= 2) {
        handler_->OnFailed(connection, static_cast<uint16_t>(frame[0] << 8 | frame[1]),
                           {reinterpret_cast<const char*>(frame) + 2, static_cast<size_t>(length) - 2});
      } else {
        handler_->OnFailed(connection, 1006, {});
      }
      return 0;
    }
    case LWS_CALLBACK_CLOSED:
      if (connection != nullptr) handler_->OnGone(connection);
      return 0;
    default:
      return 0;
  }
}

int WebSockets::AddHeaders(void* args) {
  auto* space = static_cast<lws_process_html_args*>(args);
  // Its one buffer, for answers as for reads, ends where the space for headers ends.
  read_buffer_ = space->p + space->max_len - kServiceBuffer;
  if (adopting_ == nullptr || adopting_->subprotocol.empty()) return 0;
  std::string header = "Sec-WebSocket-Protocol: ";
  header.append(adopting_->subprotocol).append("\r\n");
  if (header.size() + 2 > static_cast<size_t>(space->max_len)) return -1;
  std::memcpy(space->p, header.data(), header.size());
  space->p += header.size();
  return 0;
}

void WebSockets::OnReceive(lws* socket, Connection* connection, const char* in, size_t size) {
  Piece piece{};
  piece.data = {in, size};
  piece.first = lws_is_first_fragment(socket) != 0;
  piece.last = lws_is_final_fragment(socket) != 0;
  piece.binary = lws_frame_is_binary(socket) != 0;
  piece.remaining = lws_remaining_packet_payload(socket);
  piece.unmasked = !connection->within_frame && size > 0 && IsUnmasked(in, size + piece.remaining);
  connection->within_frame = piece.remaining > 0;
  handler_->OnPiece(connection, piece);
}

// The library takes unmasked frames and does not tell. But a frame's first bytes lie in the buffer right
// behind its header: what says neither "masked" nor anything that could be part of a masked header was not
// masked. Where the header came with an earlier read, the frame is given the benefit of the doubt.
bool WebSockets::IsUnmasked(const char* payload, uint64_t frame_size) const {
  if (payload < read_buffer_ || payload >= read_buffer_ + kServiceBuffer) return false;
  const auto before = static_cast<size_t>(payload - read_buffer_);
  constexpr size_t kLengthSizes[] = {0, 2, 8};
  const auto header_says = [&](size_t length_size, size_t mask_size, unsigned mask_bit) {
    if (before < 2 + length_size + mask_size) return false;
    const auto* header = reinterpret_cast<const unsigned char*>(payload) - mask_size - length_size - 2;
    uint64_t length = 0;
    for (size_t i = 0; i < length_size; ++i) length = length << 8 | header[2 + i];
    const unsigned marker = length_size == 0   ? static_cast<unsigned>(frame_size)
                            : length_size == 2 ? 126
                                               : 127;
    if (length_size == 0 ? frame_size > 125 : length != frame_size) return false;
    return header[1] == (mask_bit | marker) && (header[0] & 0x70) == 0 && (header[0] & 0x0f) <= 2;
  };
  const auto any = [&](size_t mask_size, unsigned mask_bit) {
    return std::any_of(std::begin(kLengthSizes), std::end(kLengthSizes),
                       [&](size_t length_size) { return header_says(length_size, mask_size, mask_bit); });
  };
  return !any(4, 0x80) && any(0, 0);
}

bool WebSockets::PeerHasGone(const Connection& connection) {
  pollfd socket{lws_get_socket_fd(connection.socket), POLLRDHUP, 0};
  return poll(&socket, 1, 0) > 0;
}

size_t WebSockets::Room(Connection* connection, size_t wanted) {
  if (connection->room < kPerWrite + kPerByte * wanted) {
    uint32_t memory[SK_MEMINFO_VARS] = {};
    socklen_t size = sizeof(memory);
    if (getsockopt(lws_get_socket_fd(connection->socket), SOL_SOCKET, SO_MEMINFO, memory, &size) != 0)
      return wanted;  // the library keeps what is too much
    const size_t whole = memory[SK_MEMINFO_SNDBUF];
    const size_t used = memory[SK_MEMINFO_WMEM_QUEUED] + std::min(kReserve, whole / 8);
    connection->room = static_cast<uint32_t>(whole - std::min(whole, used));
  }
  if (connection->room < kPerWrite) return 0;
  const size_t most = std::min(wanted, (connection->room - kPerWrite) / kPerByte);
  return most < std::min(wanted, kLeast) ? 0 : most;
}

WebSockets::Written WebSockets::Write(Connection* connection, char* data, size_t size, bool binary,
                                      bool first, bool last) {
  // What lies before may be another part of the same message, which others are still to get.
  char headroom[kFrameHeadroom];
  std::memcpy(headroom, data - kFrameHeadroom, kFrameHeadroom);
  int how = first ? (binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT) : LWS_WRITE_CONTINUATION;
  if (!last) how |= LWS_WRITE_NO_FIN;
  const int written = lws_write(connection->socket, reinterpret_cast<unsigned char*>(data), size,
                                static_cast<lws_write_protocol>(how));
  std::memcpy(data - kFrameHeadroom, headroom, kFrameHeadroom);
  connection->room -= static_cast<uint32_t>(std::min<size_t>(connection->room, kPerWrite + kPerByte * size));
  if (written < 0) {
    // What a client said before it went is still to be read, and so is the end.
    if (connection->IsHeld() || !PeerHasGone(*connection)) Kill(connection);
    return Written::kFailed;
  }
  return HasBuffered(*connection) ? Written::kBuffered : Written::kSent;
}

bool WebSockets::Ping(Connection* connection, std::string_view payload) {
  if (HasBuffered(*connection)) return false;
  unsigned char frame[LWS_PRE + kMaxPing];
  const size_t size = std::min(payload.size(), kMaxPing);
  std::memcpy(frame + LWS_PRE, payload.data(), size);
  if (lws_write(connection->socket, frame + LWS_PRE, size, LWS_WRITE_PING) >= 0) return true;
  Kill(connection);
  return false;
}

int WebSockets::Unacknowledged(const Connection& connection) {
  int bytes = 0;
  return ioctl(lws_get_socket_fd(connection.socket), SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

bool WebSockets::HasBuffered(const Connection& connection) {
  return lws_partial_buffered(connection.socket) != 0;
}

void WebSockets::WantWritable(Connection* connection) { lws_callback_on_writable(connection->socket); }

void WebSockets::CloseNow(Connection* connection, uint16_t code, std::string_view reason) {
  std::string text(reason.substr(0, 123));
  lws_close_reason(connection->socket, static_cast<lws_close_status>(code),
                   reinterpret_cast<unsigned char*>(text.data()), text.size());
}

void WebSockets::Kill(Connection* connection) {
  connection->killed = true;
  // Its timers only start to run after an event of a socket; and it would first wait for a socket with
  // buffered bytes to take them. Shutting the socket down gives it both the event and the error.
  lws_set_timeout(connection->socket, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  shutdown(lws_get_socket_fd(connection->socket), SHUT_RDWR);
  lws_callback_on_writable(connection->socket);
}

void WebSockets::SetReading(Connection* connection, bool on) {
  lws_rx_flow_control(connection->socket, on ? 1 : 0);
}

int64_t WebSockets::SilentMs(const Connection& connection) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(lws_get_socket_fd(connection.socket), IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
    return INT64_MAX;
  return info.tcpi_last_data_recv;
}

}  // namespace dormouse
