// Messages on a stream socket, each behind its length (worker.proto, "Transport"). What is written in one turn of the
// loop leaves together, at its end.
//
// One thread and its loop.
#pragma once

#include <ev.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace dormouse {

class FrameStream {
 public:
  static constexpr size_t kMaxFrame = 64u << 20;

  struct Callbacks {
    // The view lives until the call returns. False: the frame makes no sense, and the stream ends.
    std::function<bool(std::string_view frame)> on_frame;
    // It has ended, or is not to be understood: nothing more comes. Not within a call of Write or Flush.
    std::function<void(const std::string& why)> on_end;
  };

  // Takes over the descriptor, which does not block.
  FrameStream(struct ev_loop* loop, int fd, Callbacks callbacks);
  ~FrameStream();
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;

  // Appends a frame; `append` writes it behind what is there.
  template <typename Message>
  void Write(const Message& message) {
    const size_t size = message.ByteSizeLong();
    AppendLength(size);
    message.AppendToString(&output_);
  }
  // Hands on what was written, as far as the socket takes it. The rest follows.
  void Flush();
  // Bytes that wait to be written.
  size_t backlog() const { return output_.size() - written_; }

 private:
  static void OnReadable(struct ev_loop* loop, ev_io* watcher, int events);
  static void OnWritable(struct ev_loop* loop, ev_io* watcher, int events);
  void AppendLength(size_t size);
  void Read();
  // All whole frames of what was read. False: the stream has ended, and this object may be gone.
  bool TakeFrames();
  void End(const std::string& why);

  struct ev_loop* const loop_;
  const int fd_;
  const Callbacks callbacks_;
  ev_io readable_;
  ev_io writable_;
  std::string input_;
  std::string output_;
  size_t written_ = 0;  // of output_
};

}  // namespace dormouse
