// What the director of a run and its workers tell each other: a piece of memory that all processes of the run
// share. Each worker writes its own slot only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "clients/load/clock.h"
#include "clients/load/engine/faults.h"
#include "clients/load/histogram.h"

namespace dormouse::load {

// What workers are told to do, one after the other.
enum class Step : uint8_t {
  kNone,
  kOpen,    // open all connections, and wait until each is ready
  kAct,     // what the scenario is about
  kSettle,  // ask nothing more, and wait for what is on its way
  kVerify,  // ask once on each connection, and wait for the reply
  kClose,   // say goodbye, and end
};

// What workers count.
enum Count : uint8_t {
  kReady,        // connections that are ready now
  kSockets,      // those that have come to be ready, ever
  kFailedTries,  // sockets that could not be opened, and were tried again
  kHopeless,     // connections that are refused for good, or lost and not opened again
  kLost,         // connections that were lost, or broken on purpose
  kReplies,      // requests that were answered
  kBeats,        // heartbeats that were
  kDeliveries,   // messages of others that came
  kVerified,     // connections that answered at the end
  kResumed,      // sessions that went on
  kCounts,
};

// What is measured, of each of them how often it took how long.
constexpr size_t kSeries = 4;

struct Slot {
  std::atomic<uint64_t> counts[kCounts];
  std::atomic<uint32_t> done;  // the number of the last command that was carried out
  std::atomic<int64_t> last_failed_try;
  FaultLog faults;
  SharedHistogram series[kSeries];
  std::atomic<bool> has_trouble;  // this worker cannot go on
  char trouble[FaultLog::kLength];
  std::atomic<bool> has_failure;
  char failure[FaultLog::kLength];  // why a socket could not be opened, the first one

  // By its worker only.
  void Count(Count what, int64_t by = 1) {
    std::atomic<uint64_t>& count = counts[what];
    count.store(count.load(std::memory_order_relaxed) + static_cast<uint64_t>(by), std::memory_order_relaxed);
  }
  void SayTrouble(const std::string& text);
  void SayFailure(const std::string& text);
};

// One publication on its way to all subscribers, which are of several workers.
struct Publication {
  std::atomic<uint32_t> arrived;
};
constexpr size_t kPublications = 1 << 16;  // of a run

struct Board {
  // The command's number and its step, which is the lowest byte.
  std::atomic<uint32_t> command;
  std::atomic<bool> measuring;
  std::atomic<int64_t> lost_at;  // storm: when
  std::atomic<uint32_t> published;
  Publication publications[kPublications];

  static Step StepOf(uint32_t command) { return static_cast<Step>(command & 0xff); }
};

}  // namespace dormouse::load
