// A client's socket, with what goes with it on its way from one who deals with the client to the next. Whoever has it
// reads and writes here, and need not know whether that goes through TLS. One thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string_view>

#include "common/http/address_limit.h"
#include "common/tls/tls_session.h"

namespace dormouse {

// The descriptor is closed by whoever deals with the client last: not by this.
struct ClientSocket {
  int fd = -1;
  AddressLimit::Seat seat;
  std::unique_ptr<TlsSession> tls;  // nullptr: it speaks in the clear
  bool is_pair = false;             // the client is in this process, at the other end

  // To this process's successor: not where what it takes is here alone, as the keys of a TLS session are.
  bool CanMove() const { return tls == nullptr && !is_pair; }

  // As recv and send on a non-blocking socket that raises no SIGPIPE: bytes, or -1 with errno, EAGAIN for later. A buffer
  // of TlsSession::kReadRoom leaves nothing behind that the descriptor does not tell of.
  ssize_t Read(char* buffer, size_t size) const;
  ssize_t Write(std::string_view bytes) const;
  // Whether all that was written is with the kernel; else it wants to be written to again, if only with nothing.
  bool is_flushed() const { return tls == nullptr || tls->unsent() == 0; }
  // All is said. False: once more, when the descriptor is writable.
  bool EndOutput() const;
};

}  // namespace dormouse
