#include "statekeeper/store/redis/redis_stream.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/unix_address.h"

namespace dormouse {
namespace {

constexpr size_t kReadBytes = 32u << 10;
constexpr size_t kPiecesPerWrite = 8;
constexpr char kTlsAlert = 0x15;  // the first byte of what a server for TLS says to who speaks none
constexpr const char* kSpeakTls = "it wants TLS at this port: write rediss in place of redis in the URL";

void Set(int socket, int level, int option, int value) {
  setsockopt(socket, level, option, &value, sizeof(value));
}

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

RedisStream::RedisStream(struct ev_loop* loop, Server server, const RedisFiles& files, Owner* owner)
    : loop_(loop),
      server_(std::move(server)),
      files_(files),
      owner_(owner),
      reader_(redisReaderCreate(), redisReaderFree),
      readable_(loop),
      writable_(loop) {
  readable_.set<RedisStream, &RedisStream::OnReadable>(this);
  writable_.set<RedisStream, &RedisStream::OnWritable>(this);
}

RedisStream::~RedisStream() {
  readable_.stop();
  writable_.stop();
  if (socket_ >= 0) close(socket_);
}

void RedisStream::Start() {
  if (server_.tls) {
    RedisTrouble trouble;
    tls_ = RedisTls::New(files_, server_.address.host, &trouble);
    if (tls_ == nullptr) return End(std::move(trouble));
  }
  if (!server_.unix_path.empty()) {
    const auto address = UnixAddress(server_.unix_path);
    if (!address.has_value()) {
      return End(
          {"the path of its socket is too long: " + std::to_string(kMaxUnixPath) + " bytes are the most",
           true});
    }
    return Open(reinterpret_cast<const sockaddr*>(&*address), sizeof(*address));
  }
  if (IsNumericAddress(server_.address.host)) return ConnectTo(server_.address.host);
  lookup_ = std::make_unique<HostLookup>(
      loop_, server_.address.host,
      [this](const std::vector<std::string>& addresses, const std::string& error) {
        lookup_.reset();
        if (addresses.empty()) return End({error});
        ConnectTo(addresses[server_.attempt % addresses.size()]);
      });
}

void RedisStream::ConnectTo(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(host.c_str(), std::to_string(server_.address.port).c_str(), &hints, &found);
  if (failure != 0) return End({gai_strerror(failure)});
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  Open(found->ai_addr, found->ai_addrlen);
}

void RedisStream::Open(const sockaddr* address, size_t size) {
  socket_ = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return End({std::strerror(errno)});
  if (address->sa_family != AF_UNIX) {
    Set(socket_, IPPROTO_TCP, TCP_NODELAY, 1);
    // So that a peer that vanished is noticed even while nobody calls.
    Set(socket_, SOL_SOCKET, SO_KEEPALIVE, 1);
    Set(socket_, IPPROTO_TCP, TCP_KEEPIDLE, 15);
    Set(socket_, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    Set(socket_, IPPROTO_TCP, TCP_KEEPCNT, 3);
  }
  state_ = State::kConnecting;
  if (connect(socket_, address, static_cast<socklen_t>(size)) != 0 && errno != EINPROGRESS) {
    return End({std::strerror(errno)});
  }
  writable_.start(socket_, ev::WRITE);
}

void RedisStream::OnWritable(ev::io&, int) {
  switch (state_) {
    case State::kConnecting:
      return FinishConnecting();
    case State::kTlsHandshake:
      return Shake();
    default:
      return Write();
  }
}

void RedisStream::OnReadable(ev::io&, int) {
  if (state_ == State::kTlsHandshake) return Shake();
  Read();
}

void RedisStream::FinishConnecting() {
  writable_.stop();
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return End({std::strerror(error)});
  readable_.start(socket_, ev::READ);
  if (tls_ == nullptr) return Connected();
  state_ = State::kTlsHandshake;
  tls_->Attach(socket_);
  Shake();
}

void RedisStream::Shake() {
  switch (tls_->Handshake()) {
    case RedisTls::Result::kDone:
      writable_.stop();
      return Connected();
    case RedisTls::Result::kLater:
      if (tls_->wants_write()) {
        writable_.start(socket_, ev::WRITE);
      } else {
        writable_.stop();
      }
      return;
    case RedisTls::Result::kEnded:
      return End(tls_->trouble());
  }
}

void RedisStream::Connected() {
  state_ = State::kConnected;
  owner_->OnConnected();
  // What came with the end of the handshake has been read already.
  if (tls_ != nullptr && tls_->HasUnread()) readable_.feed_event(ev::READ);
}

void RedisStream::SendLasting(std::string_view command) { output_.Refer(command, ++sent_); }

void RedisStream::Send(std::string_view command) { output_.Add(command, ++sent_); }

// At once, rather than when the loop has found out that the socket is writable: saves two system calls.
void RedisStream::Flush() {
  if (!writable_.is_active() && !write_failed_) Write();
}

void RedisStream::Write() {
  while (!output_.empty()) {
    const std::optional<size_t> taken = WriteSome();
    if (!taken) {
      // Why is in what the server may have said before; that comes first.
      write_failed_ = true;
      writable_.stop();
      readable_.feed_event(ev::READ);
      return;
    }
    if (*taken == 0) {
      writable_.start(socket_, ev::WRITE);
      return;
    }
    output_.Take(*taken);
  }
  writable_.stop();
}

std::optional<size_t> RedisStream::WriteSome() {
  if (tls_ != nullptr) return tls_->Write(output_.front());
  std::array<iovec, kPiecesPerWrite> parts;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = output_.Gather(parts);
  const ssize_t size = sendmsg(socket_, &message, MSG_NOSIGNAL);
  if (size >= 0) return size;
  if (WouldBlock()) return 0;
  return std::nullopt;
}

void RedisStream::Read() {
  char buffer[kReadBytes];
  do {
    std::optional<size_t> got;
    if (tls_ != nullptr) {
      got = tls_->Read(buffer, sizeof(buffer));
      if (!got) return End(tls_->trouble());
    } else {
      const ssize_t size = recv(socket_, buffer, sizeof(buffer), 0);
      if (size == 0 || (size < 0 && !WouldBlock())) {
        std::string how = size == 0 ? "connection closed" : std::strerror(errno);
        if (answered_ == 0 && server_.unix_path.empty()) {
          how += " before the first answer; if it wants TLS, write rediss in place of redis in the URL";
        }
        return End({std::move(how)});
      }
      got = size < 0 ? 0 : size;
    }
    if (*got == 0) {
      if (write_failed_) End({"connection closed"});
      return;
    }
    if (!TakeAnswers({buffer, *got})) return;
  } while (tls_ != nullptr && tls_->HasUnread());
}

bool RedisStream::TakeAnswers(std::string_view bytes) {
  if (tls_ == nullptr && answered_ == 0 && bytes.front() == kTlsAlert) {
    End({kSpeakTls, true});
    return false;
  }
  redisReaderFeed(reader_.get(), bytes.data(), bytes.size());
  const std::weak_ptr<char> alive = alive_;
  while (true) {
    void* reply = nullptr;
    if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) {
      End({reader_->errstr});
      return false;
    }
    if (reply == nullptr) return true;
    output_.Release(++answered_);
    owner_->OnAnswer(RedisReply(static_cast<redisReply*>(reply)));
    if (alive.expired()) return false;
  }
}

void RedisStream::End(RedisTrouble trouble) {
  state_ = State::kEnded;
  readable_.stop();
  writable_.stop();
  owner_->OnEnded(trouble);
}

std::string RedisStream::Silence() const {
  switch (state_) {
    case State::kLookUp:
      return "the look-up of its host has no answer";
    case State::kConnecting:
      return "no answer";
    case State::kTlsHandshake:
      return "no answer to the TLS handshake; if it speaks no TLS at this port, write the URL without the s "
             "of "
             "rediss, or name its port for TLS";
    default:
      return "no answer";
  }
}

}  // namespace dormouse
