#include "statekeeper/classes/signal/state/deadlines.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace dormouse::signal {
namespace {

constexpr std::string_view kPrefix = "x/";
constexpr size_t kDueSize = 15;
constexpr char kSessionMark = '\x01';

// Sorts as time does.
std::string Key(int64_t due_ms, std::string_view subject) {
  return fmt::format("{}{:0{}}/{}", kPrefix, due_ms, kDueSize, subject);
}
int64_t DueOf(std::string_view key) {
  const std::string_view text = key.substr(kPrefix.size(), kDueSize);
  int64_t due_ms = 0;
  std::from_chars(text.data(), text.data() + text.size(), due_ms);
  return due_ms;
}
std::string_view SubjectIn(std::string_view key) { return key.substr(kPrefix.size() + kDueSize + 1); }

}  // namespace

void Deadlines::Add(int64_t due_ms, std::string_view subject) {
  context_.Put(Key(due_ms, subject), "1");
  const std::optional<int64_t> alarm = context_.GetAlarm();
  if (!alarm.has_value() || *alarm > due_ms) context_.SetAlarm(due_ms);
}

void Deadlines::Remove(int64_t due_ms, std::string_view subject) { context_.Delete(Key(due_ms, subject)); }

std::string Deadlines::SubjectOf(const ConnectionId& session) { return kSessionMark + session.ToString(); }

std::optional<ConnectionId> Deadlines::SessionOf(std::string_view subject) {
  if (!subject.starts_with(kSessionMark)) return std::nullopt;
  return ConnectionId::Parse(subject.substr(1));
}

std::vector<Deadlines::Deadline> Deadlines::Due(size_t limit) {
  std::vector<Deadline> due;
  context_.List(kPrefix, [&](std::string_view key, std::string_view) {
    if (DueOf(key) > context_.now_ms() || due.size() == limit) return false;
    due.push_back({DueOf(key), std::string(SubjectIn(key))});
    return true;
  });
  return due;
}

std::vector<std::string> Deadlines::DueAddresses() {
  std::vector<std::string> due;
  context_.List(kPrefix, [&](std::string_view key, std::string_view) {
    if (DueOf(key) > context_.now_ms()) return false;
    if (!SessionOf(SubjectIn(key)).has_value()) due.emplace_back(SubjectIn(key));
    return true;
  });
  return due;
}

void Deadlines::SetAlarm() {
  std::optional<int64_t> first;
  context_.List(kPrefix, [&](std::string_view key, std::string_view) {
    first = DueOf(key);
    return false;
  });
  if (first.has_value()) {
    context_.SetAlarm(std::max(*first, context_.now_ms()));
  } else if (context_.GetAlarm().has_value()) {
    context_.DeleteAlarm();
  }
}

}  // namespace dormouse::signal
