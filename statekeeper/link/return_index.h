// What a gateway without a stream was sent returnable and has not acknowledged, by connection: for hubs that
// recall the output to connections that are closed. Thousands may, one after another, when a gateway dies: so
// its batches are read once, not once for each.
//
// The gateway may come back, get the same batches after all, and send the same frames back: those that were
// taken here are remembered for that, by their hashes.
//
// Of a gateway that was given up nothing else is kept: then the index absorbs what it has not read yet.
//
// Plain data; one thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "statekeeper/link/outbox.h"

namespace dormouse {

class ReturnIndex {
 public:
  // Takes the frames for this connection (ConnectionId::handle), oldest first. `outbox`: always the same one,
  // in which nothing is acknowledged between two calls without Restart.
  std::vector<std::string> Take(Outbox* outbox, uint64_t connection);
  // The same without what comes after Absorb.
  std::vector<std::string> Take(uint64_t connection);
  // Reads what of that outbox can be returned and frees it batch by batch, so that it does not lie here
  // twice. False: there was more than `max_bytes`, the rest is lost.
  bool Absorb(Outbox outbox, uint64_t max_bytes);
  // One more frame, which no outbox holds.
  struct Late {
    std::string_view payload;
    std::string_view head;
  };
  void Add(uint64_t connection, const Late& late);
  // Whether this frame to the connection was taken. Says so once for each time that it was.
  bool WasTaken(uint64_t connection, std::string_view frame);
  // Forgets the frames: they may be acknowledged from now on.
  void Restart();
  // The hubs to which frames return that were read; none once all were taken.
  const absl::flat_hash_set<std::string>& hubs() const { return hubs_; }

  // Memory that it takes, about.
  uint64_t bytes() const { return bytes_ + hub_bytes_ + taken_.size() * kTakenBytes; }

 private:
  static constexpr uint64_t kFrameBytes = 24;
  static constexpr uint64_t kTakenBytes = 32;

  // What was sent to some connections, and how many of them have not taken it.
  struct Shared {
    std::string payload;
    std::string heads;
    uint32_t left = 0;
    uint64_t bytes() const { return sizeof(Shared) + payload.size() + heads.size(); }
  };
  struct Frame {
    uint32_t shared = 0;  // index
    uint32_t head_at = 0;
    uint32_t head_size = 0;
  };
  void Read(std::string_view deliveries);
  void ForgetHubs();
  std::string TakeFrame(const Frame& frame);

  Outbox::Seen seen_;
  std::vector<Shared> shared_;
  absl::flat_hash_map<uint64_t, std::vector<Frame>> frames_;
  uint64_t bytes_ = 0;  // of these
  absl::flat_hash_set<std::string> hubs_;
  uint64_t hub_bytes_ = 0;
  // How often each was taken, by connection and hash.
  absl::flat_hash_map<std::pair<uint64_t, size_t>, uint32_t> taken_;
};

}  // namespace dormouse
