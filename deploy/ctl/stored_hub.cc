#include "deploy/ctl/stored_hub.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "deploy/ctl/failure.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

constexpr int kHexadecimal = 16;

void TakeBack(const stored::PastChange& change, StoredHub* hub) {
  for (const auto& row : change.rows()) {
    if (row.has_value()) {
      hub->rows[row.key()] = row.value();
    } else {
      hub->rows.erase(row.key());
    }
  }
  if (!change.has_timers()) return;
  hub->meta.set_alarm_due_ms(change.timers().alarm_due_ms());
  hub->meta.clear_alarm_failures();
  hub->meta.clear_alarm_retry_ms();
  *hub->meta.mutable_timers() = change.timers().timers();
}

}  // namespace

StoredHub::StoredHub(std::string hub, const std::map<std::string, std::string>& stored)
    : name(std::move(hub)) {
  for (const auto& [key, value] : stored) {
    if (key == kMetaRow) meta.ParseFromString(value);
    if (stored::Past past; key == kPastRow && past.ParseFromString(value)) last_change = past.next() - 1;
    if (key.starts_with(kUserRows)) rows.emplace(key.substr(kUserRows.size()), value);
    if (!key.starts_with(kPastRows)) continue;
    uint64_t number = 0;
    std::from_chars(key.data() + kPastRows.size(), key.data() + key.size(), number, kHexadecimal);
    changes[number].ParseFromString(value);
  }
}

void StoredHub::GoBack(uint64_t to) {
  if (changes.empty()) {
    throw Failure(
        Exit::kFailed,
        fmt::format("No change of hub {} is kept that could be taken back: option hub-history of the "
                    "statekeepers says how many are, from the next change on.",
                    name));
  }
  if (to < first_state() || to > last_change) {
    throw Failure(Exit::kFailed,
                  fmt::format("Hub {} can go back to how it was after its changes {} to {}, and {} is "
                              "none of these.",
                              name, first_state(), last_change, to));
  }
  for (; last_change > to; --last_change) TakeBack(changes.extract(last_change).mapped(), this);
}

}  // namespace dormouse
