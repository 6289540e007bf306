// The bytes of a stream over TCP between processes that know each other by certificates (mutual TLS).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/rpc/stream_bytes.h"
#include "common/tls/tls_context.h"
#include "common/tls/tls_session.h"

namespace dormouse {

class TlsBytes final : public StreamBytes {
 public:
  // `fd`: non-blocking; its own from now on. A client's other end has to be a statekeeper.
  TlsBytes(std::shared_ptr<const TlsContext> context, int fd);
  ~TlsBytes() override;

  int fd() const override { return fd_; }
  bool NeedsOpening() const override { return true; }
  Opening Open() override;
  ssize_t Read(char* to, size_t size) override;
  bool has_more() const override { return has_more_; }
  ssize_t Write(const iovec* parts, size_t count) override;
  bool has_unsent() const override { return session_.unsent() > 0; }
  bool IsDead() const override { return PlainBytes::IsDeadTcp(fd_); }

  // The roles whose names stand in the other end's certificate; after kDone.
  std::vector<std::string> PeerRoles() const;

 private:
  const std::shared_ptr<const TlsContext> context_;
  const int fd_;
  TlsSession session_;
  bool has_more_ = false;
};

}  // namespace dormouse
