// Which of a hub's last changes can be taken back, for operators (deploy/backup.md): the rows that keep how things were
// before each.
//
//   !past      which there are (stored::Past)
//   z/NUMBER   of a change: the rows that it has changed, and the timers, as they were before (stored::PastChange)
//
// They are written by the commit of the change itself, and so are never more or less than what was changed. Bounded in
// number and bytes; the oldest go. Where a change could not be kept, none before it can be taken back.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "proto/stored.pb.h"
#include "statekeeper/runtime/hub/hub_limits.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class HubPast {
 public:
  // Of one record: what a store takes in its stride.
  static constexpr size_t kMostBytesEach = 256u << 10;

  // As it is stored; empty: nothing is.
  explicit HubPast(const std::string& stored);

  // What is to be written, later ones in place of earlier ones of the same row: the change, and what it displaces.
  std::vector<RowWrite> Add(const stored::PastChange& change, const HubLimits& limits);
  // One that cannot be taken back.
  std::vector<RowWrite> AddUnknown();
  // Nothing is kept any more.
  std::vector<RowWrite> End();

 private:
  void RemoveOldest(std::vector<RowWrite>* writes);
  void RemoveAll(std::vector<RowWrite>* writes);
  std::vector<RowWrite> Finish(std::vector<RowWrite> writes) const;

  stored::Past past_;
  uint64_t bytes_ = 0;
};

}  // namespace dormouse
