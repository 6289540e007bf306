// Packets between a gateway and its successor, with descriptors beside them: a unix socket (SOCK_SEQPACKET), so that a
// packet comes whole or not at all, and its descriptors with it.
//
// Each call waits for the other process until a deadline at most; the loop of the caller stands still meanwhile, which
// is meant (decision.h). Times are SteadyMs().
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/passed_descriptors.h"

namespace dormouse::takeover {

class Channel {
 public:
  static constexpr size_t kMaxDescriptors = kMaxPassedDescriptors;
  static constexpr size_t kMaxPacket = 160u << 10;

  Channel() = default;  // none
  // Takes the descriptor of a connected socket.
  explicit Channel(int fd) : fd_(fd) {}
  ~Channel() { Close(); }
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;

  // To the socket at that path. Not open: nobody listens there, or it is another user's.
  static Channel Connect(const std::string& path);
  // Whether the other process is this user's.
  bool IsSameUser() const;
  // As it was when the channel was made; 0: not known.
  int other_pid() const;

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void Close();

  // False: the deadline has passed, or the other has gone. The descriptors stay the caller's.
  bool Send(std::string_view packet, std::span<const int> descriptors, int64_t deadline_ms);

  enum class Received { kPacket, kLate, kGone, kCut };  // kCut: descriptors were too many for this process
  // The descriptors are the caller's.
  Received Receive(std::string* packet, std::vector<int>* descriptors, int64_t deadline_ms);

 private:
  // False: the deadline has passed.
  bool WaitFor(int16_t events, int64_t deadline_ms) const;

  int fd_ = -1;
};

}  // namespace dormouse::takeover
