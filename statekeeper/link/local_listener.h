// Where one lane takes the streams of this host's gateways (FramedStream), on its own loop.
//
// Threading: the loop's thread, or before it runs.
#pragma once

#include <ev.h>

#include <memory>
#include <string>

#include "common/rpc/framed_stream.h"
#include "common/rpc/stream_inbox.h"

namespace dormouse {

class LocalListener {
 public:
  // Takes the place of a socket that nobody serves any more. nullptr: the path cannot be had (it is too long,
  // another process listens there, ...), and gateways come by gRPC. `loop` outlives the listener.
  static std::unique_ptr<LocalListener> Listen(std::string path, struct ev_loop* loop,
                                               std::shared_ptr<StreamInbox> inbox, FramedStream::Admit admit);

  // Of Listen alone.
  LocalListener(int fd, std::string path, struct ev_loop* loop, std::shared_ptr<StreamInbox> inbox,
                FramedStream::Admit admit);
  ~LocalListener();
  LocalListener(const LocalListener&) = delete;
  LocalListener& operator=(const LocalListener&) = delete;

 private:
  void OnReadable();

  const std::string path_;
  struct ev_loop* const loop_;
  const std::shared_ptr<StreamInbox> inbox_;
  const FramedStream::Admit admit_;
  ev_io readable_;
};

// Whether somebody accepts connections at this path.
bool IsServed(const std::string& path);

}  // namespace dormouse
