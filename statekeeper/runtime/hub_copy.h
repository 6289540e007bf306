// What hubs are copied in: out of the store for a backup, and into it for a restore. See lane_operator.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "statekeeper/store/store.h"

namespace dormouse {

struct WholeHub {
  std::string hub;  // "CLASS/NAME"
  std::vector<Row> rows;
};

// Hubs of a shard, by name.
struct HubsPage {
  std::vector<WholeHub> hubs;
  std::string through;  // the page ends after this name
  std::string large;    // not empty: the next one, which has to be read by pages of its own
  bool complete = false;
};

// Of one hub. All pages, one after the other, and in each the rows before the changes, are the hub as of one
// commit.
struct HubPage {
  std::vector<Row> rows;
  std::vector<RowWrite> changes;
  uint64_t reading = 0;  // for the next page
  bool complete = false;
  bool lost = false;  // what has been read so far is of no use: begin anew
};

// Part of a hub that is put into the store.
struct HubRestore {
  std::string hub;
  uint64_t run = 0;      // of the restore, random
  bool replace = false;  // where the hub exists
  bool first = false;    // what there is goes
  bool last = false;     // from now on it is served
  std::vector<RowWrite> rows;
  std::optional<std::string> meta;  // the value of the meta row, with the last part
};

enum class RestoreOutcome {
  kDone,
  kAlready,     // this run has restored it before
  kExists,      // and was left alone
  kNotBegun,    // this run did not begin it, or another one has since
  kUnreadable,  // the meta row
  kBadRow,      // a name that no row of a hub has
};

}  // namespace dormouse
