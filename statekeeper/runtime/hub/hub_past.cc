#include "statekeeper/runtime/hub/hub_past.h"

#include <algorithm>
#include <numeric>

#include "statekeeper/runtime/row_names.h"

namespace dormouse {

HubPast::HubPast(const std::string& stored) {
  past_.ParseFromString(stored);
  past_.set_next(std::max<uint64_t>(1, past_.next()));
  bytes_ = std::accumulate(past_.bytes().begin(), past_.bytes().end(), uint64_t{0});
}

std::vector<RowWrite> HubPast::Add(const stored::PastChange& change, const HubLimits& limits) {
  std::string record = change.SerializeAsString();
  if (record.size() > std::min<uint64_t>(limits.history_bytes, kMostBytesEach)) return AddUnknown();
  std::vector<RowWrite> writes;
  past_.add_bytes(static_cast<uint32_t>(record.size()));
  bytes_ += record.size();
  writes.push_back({PastRow(past_.next()), std::move(record)});
  past_.set_next(past_.next() + 1);
  while (static_cast<uint64_t>(past_.bytes_size()) > limits.history || bytes_ > limits.history_bytes)
    RemoveOldest(&writes);
  return Finish(std::move(writes));
}

std::vector<RowWrite> HubPast::AddUnknown() {
  std::vector<RowWrite> writes;
  RemoveAll(&writes);
  past_.set_next(past_.next() + 1);
  return Finish(std::move(writes));
}

std::vector<RowWrite> HubPast::End() {
  std::vector<RowWrite> writes;
  RemoveAll(&writes);
  writes.push_back({kPastRow, std::nullopt});
  return writes;
}

void HubPast::RemoveOldest(std::vector<RowWrite>* writes) {
  writes->push_back({PastRow(past_.next() - static_cast<uint64_t>(past_.bytes_size())), std::nullopt});
  bytes_ -= past_.bytes(0);
  past_.mutable_bytes()->erase(past_.bytes().begin());
}

void HubPast::RemoveAll(std::vector<RowWrite>* writes) {
  while (past_.bytes_size() > 0) RemoveOldest(writes);
}

std::vector<RowWrite> HubPast::Finish(std::vector<RowWrite> writes) const {
  writes.push_back({kPastRow, past_.SerializeAsString()});
  return writes;
}

}  // namespace dormouse
