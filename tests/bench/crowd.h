// Many WebSockets to one gateway, of which none may fail: everything throws std::runtime_error when something
// is wrong, silence for half a minute included. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "clients/load/sockets.h"

namespace dormouse::bench {

// Fails with the frame unless it begins so.
void ExpectStart(std::string_view frame, std::string_view start);

class Crowd {
 public:
  using FrameCallback = std::function<void(size_t index, std::string_view text)>;

  explicit Crowd(const std::string& target) : server_(load::ParseHostPort(target)) {}

  // Once: opens `count` connections, a bounded number at a time, each at the path that `path` gives for its
  // index. With a `welcome` it also waits for each one's first frame, which has to begin so.
  void Open(size_t count, const std::function<std::string(size_t index)>& path,
            std::string_view welcome = {});

  // `count` times, in one write.
  void Send(size_t index, std::string_view text, size_t count = 1) { sockets_->Send(index, text, count); }

  // Waits for events and handles them; `on_frame` for each frame that has come.
  void Turn(const FrameCallback& on_frame);

  size_t size() const { return sockets_->size(); }

 private:
  class Watcher;

  load::Endpoint server_;
  std::optional<load::Sockets> sockets_;  // once Open
  size_t open_ = 0;                       // of them
};

}  // namespace dormouse::bench
