// How long clients waited around a mark, and how long they usually do. Pure.
//
// Of each connection the longest wait of an ask that was under way at the mark or sent within the ten seconds
// after it; of a hub that of its connections. An ask whose socket was lost waited until the session was there
// again, one that nobody answered until the end. Heartbeats do not count: the edge answers them.
#pragma once

#include <string>
#include <vector>

#include "clients/load/check/ledger.h"

namespace dormouse::load::check {

// The mark that says when the undisturbed time begins.
constexpr char kReady[] = "ready";

// Microseconds.
struct Percentiles {
  size_t count = 0;
  Micros p50 = 0;
  Micros p99 = 0;
  Micros max = 0;
};
Percentiles PercentilesOf(std::vector<Micros> values);

struct Pause {
  std::string mark;
  Percentiles connections;
  Percentiles hubs;
  // Hubs that waited longer than that.
  size_t hubs_over_100ms = 0;
  size_t hubs_over_500ms = 0;
  size_t hubs_over_4s = 0;
};

// The first is "baseline": since kReady, but the last ten seconds before the first other mark, or before the
// end. Then one for each other mark.
std::vector<Pause> Pauses(const Ledger& ledger);

// Of all asks that were answered, in two groups.
Percentiles Latency(const Ledger& ledger, bool heartbeats);

}  // namespace dormouse::load::check
