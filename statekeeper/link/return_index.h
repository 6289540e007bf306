// What a gateway without a stream was sent returnable and has not acknowledged, by connection: for hubs that
// recall the output to connections that are closed. Thousands may, one after another, when a gateway dies: so
// its batches are read once, not once for each.
//
// The gateway may come back, get the same batches after all, and send the same frames back: those that were
// taken here are remembered for that, by their hashes.
//
// Plain data; one thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
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
  // Whether this frame to the connection was taken. Says so once for each time that it was.
  bool WasTaken(uint64_t connection, std::string_view frame);
  // Forgets the frames: they may be acknowledged from now on.
  void Restart();

 private:
  struct Frame {
    std::shared_ptr<const std::string> payload;
    std::string head;
  };
  void Read(char* begin, const char* end);

  Outbox::Seen seen_;
  absl::flat_hash_map<uint64_t, std::vector<Frame>> frames_;
  // How often each was taken, by connection and hash.
  absl::flat_hash_map<std::pair<uint64_t, size_t>, uint32_t> taken_;
};

}  // namespace dormouse
