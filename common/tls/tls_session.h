// TLS over a non-blocking socket that somebody else owns, watches and closes.
//
// Reading never waits for writing, nor the other way round: what the socket does not take of a record is kept here, as
// the kernel would keep it, and counts as written (unsent()). So whoever writes may say something else the next time, and
// there is never more than a record of it; only what is kept has to be on its way (Flush) before more is taken.
//
// A silent session has no buffers. Nothing throws. One thread at a time; not bound to any.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/tls/tls_context.h"

namespace dormouse {

class TlsSession {
 public:
  // What a record holds at most: writes of that size cost least.
  static constexpr size_t kMaxRecord = 16'384;

  enum class State {
    kDone,
    kWantsRead,   // again, when the socket is readable
    kWantsWrite,  // again, when it is writable
    kEnded,       // the other end has said all, or is gone
    kFailed,      // error() says why; nothing more will come of this session
  };
  struct Result {
    State state = State::kDone;
    size_t size = 0;  // bytes read, or written
  };

  // `host`: of a client, whom the server's certificate has to be for, where that is verified; a name or an address.
  // Empty: anybody of the authorities.
  TlsSession(const TlsContext& context, int fd, const std::string& host = "");
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // What was read from the socket before the session was made; once, before anything else.
  void Feed(std::string_view bytes) { fed_.assign(bytes); }
  // Goes on with it. Of a failure the other end is told, as far as the socket takes it.
  State Handshake();

  // With a buffer of so many bytes a read leaves nothing behind that the socket does not tell of, but the beginning of a record.
  static constexpr size_t kReadRoom = 18'432;
  // Fills the buffer; `size` bytes were read whatever the state is, which says what comes after them. kDone: the buffer is
  // full, and more may be here that the socket does not tell of any more (has_more). kWantsRead: nothing is, until the
  // socket is readable, which it is at once where a call has taken as much of it as it may.
  Result Read(char* buffer, size_t size);
  // The same, but the socket is not asked once more whether that was all: less than the buffer holds, and kDone, leaves
  // nothing here, and of what else there may be the socket tells. For those who get few bytes at a time, often.
  Result ReadOnce(char* buffer, size_t size);
  bool has_more() const { return !fed_.empty() || SSL_has_pending(ssl_) == 1; }

  // Takes `size` bytes of them, in records as large as can be: few long ones cost less than many short ones. kWantsWrite: not
  // all were taken, or something of what was is kept for the socket. A failed one has taken what it says, too.
  Result Write(std::string_view bytes);
  // Ends our half, once all before it is on its way (close_notify; what the other end says can still be read). kDone: all
  // is with the kernel, and the socket's half may be shut down.
  State Shutdown();
  // Hands the kernel what is kept.
  State Flush();
  // Bytes on the wire that are kept for the socket.
  size_t unsent() const { return unsent_ == nullptr ? 0 : unsent_->size(); }

  // Whether the other end's certificate, which was verified, has the name among its subject alternative names.
  bool PeerCarries(const std::string& name) const;
  // By a ticket.
  bool resumed() const { return SSL_session_reused(ssl_) == 1; }
  // As the end of a sentence about the other end.
  const std::string& error() const { return error_; }
  const SSL* ssl() const { return ssl_; }

 private:
  // Of the socket in one call.
  static constexpr size_t kMaxTaken = 65'536;
  // An other end that has us answer and reads nothing (RFC 8446, 4.6.3) gets no further than this.
  static constexpr size_t kMaxUnsent = 65'536;

  static BIO_METHOD* Socket();
  int Receive(char* buffer, int size);
  int Send(const char* bytes, int size);

  Result ReadWhile(char* buffer, size_t size, bool once);
  State Judge(int result);
  std::string WhyFailed(int system_error) const;

  SSL* const ssl_;
  const int fd_;
  size_t left_to_take_ = 0;  // of the socket
  size_t room_ = 0;          // for what is read
  bool has_ended_ = false;   // the socket
  bool said_farewell_ = false;
  std::string fed_;
  std::unique_ptr<std::string> unsent_;
  std::string error_;
};

}  // namespace dormouse
