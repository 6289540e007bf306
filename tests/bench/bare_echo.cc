// The least that a WebSocket echo can cost: one epoll loop, one read and one write for what a socket has
// brought, and nothing else. The benches measure the product against it, in the same run.
//
// It believes its clients: handshakes come whole, frames are masked text of less than 64 KiB. Prints the port
// that it listens on (of 127.0.0.1), and serves until it is killed. At /welcome/... it says a first frame of
// its own accord, as hubs do.
//
// With the files of a certificate and its key as arguments it speaks TLS, as plainly: OpenSSL on the descriptor, buffers
// kept, one write a read.
#include <absl/strings/escaping.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clients/load/sockets.h"
#include "gateway/edge/frames/unmask.h"

namespace dormouse::bench {
namespace {

constexpr size_t kRead = 65'536;

struct Socket {
  bool is_open = false;
  std::string unread;
  SSL* tls = nullptr;  // until it is shaken hands with and after; nullptr: in the clear
  bool is_shaken = false;
  ~Socket() { SSL_free(tls); }
};

std::string Answer(std::string_view request) {
  constexpr std::string_view kHeader = "Sec-WebSocket-Key: ";
  const size_t at = request.find(kHeader) + kHeader.size();
  const std::string key = std::string(request.substr(at, 24)) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest);
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
         "Upgrade\r\nSec-WebSocket-Accept: " +
         absl::Base64Escape({reinterpret_cast<const char*>(digest), sizeof(digest)}) + "\r\n\r\n";
}

// Puts the answer to the frame at the front of `bytes` behind `*out`. The frame's size; 0: it is not all
// there.
size_t Echo(char* bytes, size_t size, std::string* out) {
  if (size < 6) return 0;
  size_t header = 6;
  size_t length = static_cast<uint8_t>(bytes[1]) & 0x7f;
  if (length == 126) {
    if (size < 8) return 0;
    length = static_cast<size_t>(static_cast<uint8_t>(bytes[2])) << 8 | static_cast<uint8_t>(bytes[3]);
    header = 8;
  }
  if (size < header + length) return 0;
  uint32_t mask;
  std::memcpy(&mask, bytes + header - 4, 4);
  char* payload = bytes + header;
  edge::Unmask(payload, length, mask);
  out->push_back(bytes[0]);
  if (length < 126) {
    out->push_back(static_cast<char>(length));
  } else {
    out->append({126, static_cast<char>(length >> 8), static_cast<char>(length & 0xff)});
  }
  out->append(payload, length);
  return header + length;
}

class Server {
 public:
  // False: the files cannot be used.
  bool UseTls(const char* certificate, const char* key) {
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_read_ahead(context_, 1);
    SSL_CTX_set_num_tickets(context_, 1);
    SSL_CTX_set_ciphersuites(context_, "TLS_AES_128_GCM_SHA256");
    return SSL_CTX_use_certificate_chain_file(context_, certificate) == 1 &&
           SSL_CTX_use_PrivateKey_file(context_, key, SSL_FILETYPE_PEM) == 1;
  }

  void Run() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 4096) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::perror("dormouse_bare_echo");
      return;
    }
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    Watch(listener_);
    epoll_event events[256];
    for (;;) {
      const int count = epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == listener_) {
          Accept();
        } else {
          Read(events[i].data.fd);
        }
      }
    }
  }

 private:
  void Watch(int fd) const {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void Accept() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (sockets_.size() <= static_cast<size_t>(fd)) sockets_.resize(static_cast<size_t>(fd) + 1);
    auto socket = std::make_unique<Socket>();
    if (context_ != nullptr) {
      socket->tls = SSL_new(context_);
      SSL_set_fd(socket->tls, fd);
      SSL_set_accept_state(socket->tls);
    }
    sockets_[static_cast<size_t>(fd)] = std::move(socket);
    Watch(fd);
  }

  // As recv; -1: later.
  ssize_t Receive(int fd, Socket* socket) {
    if (socket->tls == nullptr) return recv(fd, buffer_, kRead, 0);
    if (!socket->is_shaken) {
      const int done = SSL_do_handshake(socket->tls);
      if (done != 1) return SSL_get_error(socket->tls, done) == SSL_ERROR_WANT_READ ? -1 : 0;
      socket->is_shaken = true;
    }
    const int got = SSL_read(socket->tls, buffer_, kRead);
    if (got > 0) return got;
    return SSL_get_error(socket->tls, got) == SSL_ERROR_WANT_READ ? -1 : 0;
  }

  void Send(int fd, const Socket& socket) {
    if (socket.tls == nullptr) {
      send(fd, out_.data(), out_.size(), MSG_NOSIGNAL);
    } else {
      SSL_write(socket.tls, out_.data(), static_cast<int>(out_.size()));
    }
  }

  void Read(int fd) {
    std::unique_ptr<Socket>& socket = sockets_[static_cast<size_t>(fd)];
    ssize_t got = 0;
    do {
      got = Receive(fd, socket.get());
      if (got < 0 && socket->tls != nullptr) return;
      Take(fd, &socket, got);
    } while (socket != nullptr && socket->tls != nullptr && SSL_has_pending(socket->tls) == 1);
  }

  void Take(int fd, std::unique_ptr<Socket>* of, ssize_t got) {
    std::unique_ptr<Socket>& socket = *of;
    if (got <= 0) {
      close(fd);
      socket.reset();
      return;
    }
    out_.clear();
    char* at = buffer_;
    auto left = static_cast<size_t>(got);
    if (!socket->unread.empty()) {
      socket->unread.append(buffer_, left);
      rest_.swap(socket->unread);
      socket->unread.clear();
      at = rest_.data();
      left = rest_.size();
    }
    if (!socket->is_open) {
      const std::string_view request(at, left);
      if (request.find("\r\n\r\n") == std::string_view::npos) {
        socket->unread = request;
        return;
      }
      out_ = Answer(request);
      if (request.starts_with("GET /welcome/")) out_ += "\x81\x12{\"type\":\"welcome\"}";
      socket->is_open = true;
      left = 0;
    }
    while (const size_t size = left == 0 ? 0 : Echo(at, left, &out_)) {
      at += size;
      left -= size;
    }
    if (left > 0) socket->unread.assign(at, left);
    if (!out_.empty()) Send(fd, *socket);
  }

  const int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int listener_ = -1;
  SSL_CTX* context_ = nullptr;                    // nullptr: in the clear
  std::vector<std::unique_ptr<Socket>> sockets_;  // by descriptor
  char buffer_[kRead];
  std::string rest_;
  std::string out_;
};

}  // namespace
}  // namespace dormouse::bench

int main(int argc, char** argv) {
  dormouse::load::RaiseDescriptorLimit();
  const auto server = std::make_unique<dormouse::bench::Server>();
  if (argc == 3 && !server->UseTls(argv[1], argv[2])) {
    std::fprintf(stderr, "dormouse_bare_echo: the certificate cannot be used\n");
    return 1;
  }
  std::signal(SIGPIPE, SIG_IGN);
  server->Run();
  return 1;
}
