// The bytes of a FramedStream: what it reads and writes, and nothing of what they mean. Three ways:
//
//   PlainBytes  a unix socket, or a TCP connection (of a cluster with a secret)
//   TlsBytes    TLS on a TCP connection (tls_bytes.h)
//
// Nothing blocks. One thread at a time; it may be handed from one to another.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

struct iovec;

namespace dormouse {

class StreamBytes {
 public:
  StreamBytes() = default;
  virtual ~StreamBytes() = default;  // closes the descriptor
  StreamBytes(const StreamBytes&) = delete;
  StreamBytes& operator=(const StreamBytes&) = delete;

  // To wait on; it does not change.
  virtual int fd() const = 0;

  // Whether the other end is on another machine.
  virtual bool is_remote() const { return true; }

  // Whether something has to be said before the first byte. If so, Open goes on with that as far as it comes, until it
  // is kDone.
  enum class Opening { kDone, kReads, kWrites, kFailed };
  virtual bool NeedsOpening() const { return false; }
  virtual Opening Open() { return Opening::kDone; }

  // How many were read; 0: there is nothing now; -1: nothing more comes (why()).
  virtual ssize_t Read(char* to, size_t size) = 0;
  // Whether Read has more, of which the descriptor knows nothing any more. Whoever stops to read before that is
  // over has to come back by himself.
  virtual bool has_more() const { return false; }
  // How many of all parts were written; 0: there is no room now; -1: nothing goes any more.
  virtual ssize_t Write(const iovec* parts, size_t count) = 0;
  // Whether something that counts as written has still to be sent: Write goes on with it, also without any parts.
  virtual bool has_unsent() const { return false; }

  // Whether the other machine has acknowledged nothing of what it was sent for too long. The kernel says so by
  // itself only where nothing is under way.
  virtual bool IsDead() const { return false; }
  // After Opening::kFailed, or -1 of Read.
  const std::string& why() const { return why_; }

 protected:
  void set_why(std::string why) { why_ = std::move(why); }

 private:
  std::string why_;
};

class PlainBytes final : public StreamBytes {
 public:
  // `fd`: non-blocking; its own from now on.
  static std::unique_ptr<StreamBytes> OfUnixSocket(int fd);
  // SetUpLinkSocket was called.
  static std::unique_ptr<StreamBytes> OfTcp(int fd);

  PlainBytes(int fd, bool is_remote) : fd_(fd), is_remote_(is_remote) {}
  ~PlainBytes() override;

  int fd() const override { return fd_; }
  bool is_remote() const override { return is_remote_; }
  ssize_t Read(char* to, size_t size) override;
  ssize_t Write(const iovec* parts, size_t count) override;
  bool IsDead() const override { return IsDeadTcp(fd_); }

  // For other kinds of bytes on a TCP connection.
  static bool IsDeadTcp(int fd);

 private:
  const int fd_;
  const bool is_remote_;
};

// A TCP connection between processes of a cluster: small messages go at once, and a machine that is gone is
// noticed within five seconds, also where nobody says anything.
void SetUpLinkSocket(int fd);

}  // namespace dormouse
