#include "statekeeper/link/return_index.h"

#include <functional>
#include <utility>

#include "proto/packed.h"

namespace dormouse {

std::vector<std::string> ReturnIndex::Take(Outbox* outbox, uint64_t connection) {
  while (outbox->VisitUnseen(&seen_, [this](std::string_view deliveries) { Read(deliveries); })) {
  }
  return Take(connection);
}

bool ReturnIndex::Absorb(Outbox outbox, uint64_t max_bytes) {
  if (!outbox.has_returnable()) return true;
  const auto read = [this](std::string_view deliveries) { Read(deliveries); };
  bool more = true;
  while (more && bytes() < max_bytes) {
    more = outbox.VisitUnseen(&seen_, read);
    outbox.Drop(seen_.batch - 1);
  }
  return !more;
}

void ReturnIndex::Add(uint64_t connection, const Late& late) {
  const auto index = static_cast<uint32_t>(shared_.size());
  shared_.push_back({.payload = std::string(late.payload), .heads = std::string(late.head), .left = 1});
  bytes_ += shared_.back().bytes() + kFrameBytes;
  frames_[connection].push_back({index, 0, static_cast<uint32_t>(late.head.size())});
}

std::vector<std::string> ReturnIndex::Take(uint64_t connection) {
  std::vector<std::string> out;
  const auto found = frames_.find(connection);
  if (found == frames_.end()) return out;
  std::vector<size_t> hashes;
  for (const Frame& frame : found->second) {
    std::string text = TakeFrame(frame);
    const size_t hash = std::hash<std::string>()(text);
    if (taken_.contains({connection, hash})) continue;  // when the stream was lost another time
    hashes.push_back(hash);
    out.push_back(std::move(text));
  }
  for (const size_t hash : hashes) ++taken_[{connection, hash}];
  frames_.erase(found);
  if (frames_.empty()) ForgetHubs();
  return out;
}

std::string ReturnIndex::TakeFrame(const Frame& frame) {
  Shared& shared = shared_[frame.shared];
  std::string text = shared.heads.substr(frame.head_at, frame.head_size) + shared.payload;
  bytes_ -= kFrameBytes;
  if (--shared.left == 0) {
    bytes_ -= shared.bytes() - sizeof(Shared);
    std::string().swap(shared.payload);
    std::string().swap(shared.heads);
  }
  return text;
}

bool ReturnIndex::WasTaken(uint64_t connection, std::string_view frame) {
  const auto found = taken_.find({connection, std::hash<std::string_view>()(frame)});
  if (found == taken_.end()) return false;
  if (--found->second == 0) taken_.erase(found);
  return true;
}

void ReturnIndex::Restart() {
  seen_ = {};
  shared_.clear();
  frames_.clear();
  ForgetHubs();
  bytes_ = 0;
}

void ReturnIndex::ForgetHubs() {
  hubs_.clear();
  hub_bytes_ = 0;
}

void ReturnIndex::Read(std::string_view deliveries) {
  DeliveryView delivery;
  while (ReadDelivery(&deliveries, &delivery)) {
    if (delivery.return_to.empty() || delivery.recipient_count == 0) continue;
    const auto index = static_cast<uint32_t>(shared_.size());
    shared_.push_back({.payload = std::string(delivery.payload),
                       .heads = std::string(delivery.heads),
                       .left = delivery.recipient_count});
    bytes_ += shared_.back().bytes() + kFrameBytes * delivery.recipient_count;
    if (hubs_.emplace(delivery.return_to).second) {
      hub_bytes_ += sizeof(std::string) + delivery.return_to.size();
    }
    uint32_t head_at = 0;
    for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
      frames_[delivery.recipient(i)].push_back({index, head_at, delivery.head_size(i)});
      head_at += delivery.head_size(i);
    }
  }
}

}  // namespace dormouse
