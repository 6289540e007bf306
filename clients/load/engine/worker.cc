#include "clients/load/engine/worker.h"

#include <unistd.h>

#include <algorithm>
#include <exception>

namespace dormouse::load {
namespace {

// However little there is to do, it looks around so often.
constexpr Nanos kLongestTurn = 200 * kMillisecond;

void Report(int fd) {
  const uint64_t one = 1;
  (void)!write(fd, &one, sizeof(one));
}

void Play(const Scenario& scenario, Workplace* place, int commanded, int reports) {
  const std::unique_ptr<Part> part = scenario.part(place);
  Connections& connections = place->connections;
  connections.sockets()->AlsoAwait(commanded);
  uint32_t command = 0;
  bool reported = true;
  for (;;) {
    if (const uint32_t latest = place->board->command.load(); latest != command) {
      uint64_t count;
      (void)!read(commanded, &count, sizeof(count));
      command = latest;
      reported = false;
      part->Begin(Board::StepOf(command));
    }
    const Nanos due = std::min(part->DoWhatIsDue(Now()), connections.due());
    if (!reported && part->IsDone()) {
      place->slot->done.store(command);
      Report(reports);
      reported = true;
      // Not what the board says by now: that may be the next one.
      if (Board::StepOf(command) == Step::kClose) return;
    }
    connections.Turn(std::clamp<Nanos>(due == kNever ? kNever : due - Now(), 0, kLongestTurn));
  }
}

}  // namespace

void Work(const Scenario& scenario, const Settings& settings, uint32_t worker, Board* board, Slot* slot,
          int commanded, int reports) {
  try {
    Workplace place(settings, worker, board, slot);
    Play(scenario, &place, commanded, reports);
  } catch (const std::exception& error) {
    slot->SayTrouble(error.what());
    Report(reports);
  }
}

}  // namespace dormouse::load
