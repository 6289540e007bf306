#include "statekeeper/link/return_index.h"

#include <functional>
#include <utility>

#include "proto/packed.h"

namespace dormouse {

std::vector<std::string> ReturnIndex::Take(Outbox* outbox, uint64_t connection) {
  outbox->VisitUnseen(&seen_, [this](char* begin, const char* end) { Read(begin, end); });
  std::vector<std::string> out;
  const auto found = frames_.find(connection);
  if (found == frames_.end()) return out;
  std::vector<size_t> hashes;
  for (Frame& frame : found->second) {
    std::string text = std::move(frame.head);
    text.append(*frame.payload);
    const size_t hash = std::hash<std::string>()(text);
    if (taken_.contains({connection, hash})) continue;  // when the stream was lost another time
    hashes.push_back(hash);
    out.push_back(std::move(text));
  }
  for (const size_t hash : hashes) ++taken_[{connection, hash}];
  frames_.erase(found);
  return out;
}

bool ReturnIndex::WasTaken(uint64_t connection, std::string_view frame) {
  const auto found = taken_.find({connection, std::hash<std::string_view>()(frame)});
  if (found == taken_.end()) return false;
  if (--found->second == 0) taken_.erase(found);
  return true;
}

void ReturnIndex::Restart() {
  seen_ = {};
  frames_.clear();
}

void ReturnIndex::Read(char* begin, const char* end) {
  DeliveryView delivery;
  while (begin != end && ReadDelivery(&begin, end, &delivery)) {
    if (delivery.return_to.empty()) continue;
    const auto payload = std::make_shared<const std::string>(delivery.payload_view());
    size_t head_at = 0;
    for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
      const std::string_view head = delivery.heads.substr(head_at, delivery.head_size(i));
      head_at += head.size();
      frames_[delivery.recipient(i)].push_back({payload, std::string(head)});
    }
  }
}

}  // namespace dormouse
