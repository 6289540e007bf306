#include "statekeeper/runtime/hub/hub_context.h"

#include <fmt/format.h>

#include <limits>
#include <set>
#include <stdexcept>
#include <utility>

#include "common/shard.h"
#include "statekeeper/runtime/hub/over_limit.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

constexpr size_t kMaxValue = 128u << 10;
constexpr size_t kMaxTags = 10;
constexpr size_t kMaxAutoResponse = 2048;
constexpr size_t kMaxCall = 32u << 20;
constexpr size_t kMaxTag = 256;
// Memory for a message and for each of its recipients, beside the bytes that go to sockets.
constexpr uint64_t kMessageOverhead = 256;
constexpr uint64_t kRecipientOverhead = 64;
constexpr size_t kMaxReason = 123;  // RFC 6455, 5.5: a control frame's 125 bytes less the code

std::string CheckedKey(std::string_view key) {
  if (key.empty() || key.size() > Context::kMaxKey)
    throw std::length_error(fmt::format("a key has 1 to {} bytes", Context::kMaxKey));
  if (key.find('\0') != std::string_view::npos)
    throw std::invalid_argument("a key must not hold a zero byte");
  return UserRow(key);
}

}  // namespace

void HubContext::CheckWritable() const {
  if (access_ == Access::kReadOnly) throw std::logic_error("state cannot be written in OnWake and OnFailure");
}

// --- Limits.

void HubContext::Refuse(Hub::Failure limit) {
  over_limit_ = limit;
  throw OverLimit(limit);
}

template <typename Step>
auto HubContext::Limited(const Step& step) {
  if (over_limit_) throw OverLimit(*over_limit_);
  try {
    return step();
  } catch (const OverLimit& over) {
    over_limit_ = over.failure();
    throw;
  }
}

void HubContext::Safepoint() {
  Limited([this] { hub_.clock->Safepoint(); });
}

void HubContext::CountOutput(uint64_t recipients, uint64_t bytes_each, uint64_t bytes_of_heads) {
  const uint64_t once = kMessageOverhead + bytes_each + bytes_of_heads + recipients * kRecipientOverhead;
  output_bytes_ += once + recipients * bytes_each;
  const bool too_much = hub_.limits->max_output != 0 && output_bytes_ > hub_.limits->max_output;
  if (too_much || once > GatewayLinks::kMaxOutputBytes) Refuse(Hub::Failure::kTooMuchOutput);
}

void HubContext::CountChange(uint64_t bytes) {
  changed_bytes_ += bytes;
  if (hub_.limits->max_changes != 0 && changed_bytes_ > hub_.limits->max_changes) {
    Refuse(Hub::Failure::kTooManyChanges);
  }
}

// --- Sending.

void HubContext::Push(const Message& message, std::vector<Output::To> to, bool has_heads) {
  if (message.returnable && message.binary) throw std::invalid_argument("only text is returnable");
  outputs_.push_back({message.binary ? DeliveryKind::kBinary : DeliveryKind::kText, std::move(to), has_heads,
                      std::string(message.data), std::string(message.returnable ? hub_.hub : "")});
}

void HubContext::Send(const ConnectionId& to, const Message& message) {
  Safepoint();
  CountOutput(1, message.data.size(), 0);
  Push(message, {{to, {}}}, false);
}

void HubContext::SendEach(std::span<const HeadedRecipient> recipients, const Message& shared) {
  if (recipients.empty()) return;
  Safepoint();
  uint64_t bytes_of_heads = 0;
  for (const HeadedRecipient& recipient : recipients) bytes_of_heads += recipient.head.size();
  CountOutput(recipients.size(), shared.data.size(), bytes_of_heads);
  std::vector<Output::To> to;
  to.reserve(recipients.size());
  for (const HeadedRecipient& recipient : recipients) to.push_back({recipient.to, recipient.head});
  Push(shared, std::move(to), true);
}

void HubContext::Broadcast(const Message& message, std::string_view tag,
                           const std::optional<ConnectionId>& except) {
  Safepoint();
  std::vector<Output::To> to;
  const auto add = [&](const std::vector<ConnectionId>& ids) {
    CountOutput(ids.size(), message.data.size(), 0);
    to.reserve(ids.size());
    for (const ConnectionId& id : ids) {
      if (id != except) to.push_back({id, {}});
    }
  };
  Limited([&] {
    if (tag.empty()) {
      add(hub_.state->Roster());
    } else {
      add(hub_.state->Tagged(tag));
    }
  });
  if (!to.empty()) Push(message, std::move(to), false);
}

void HubContext::Close(const ConnectionId& connection, uint16_t code, std::string_view reason) {
  CheckWritable();
  Safepoint();
  CountOutput(1, kMaxReason, 0);
  if (hub_.state->RemoveConnection(connection)) CloseUnknown(connection, code, reason);
}

void HubContext::CloseUnknown(const ConnectionId& connection, uint16_t code, std::string_view reason) {
  outputs_.push_back(
      {DeliveryKind::kClose, {{connection, {}}}, false, ClosePayload(code, reason.substr(0, kMaxReason))});
}

void HubContext::CallRoll(GatewayId gateway, const std::vector<ConnectionId>& believed) {
  Output roll_call;
  roll_call.kind = DeliveryKind::kRollCall;
  roll_call.return_to = hub_.hub;
  roll_call.also_to = {gateway};
  roll_call.to.reserve(believed.size());
  for (const ConnectionId& id : believed) roll_call.to.push_back({id, {}});
  outputs_.push_back(std::move(roll_call));
}

void HubContext::Recall(const ConnectionId& closed) { sequel_.recalls.push_back(closed); }

void HubContext::Confirm(const ConnectionId& open) { sequel_.confirms.push_back(open); }

uint64_t HubContext::Defer() {
  if (next_number_ == nullptr) throw std::logic_error("this event cannot be deferred");
  if (deferred_as_ == 0) deferred_as_ = next_number_();
  return deferred_as_;
}

// The gateway answers for the sockets that a roll call does not name.
void HubContext::AskLastSeen(std::span<const ConnectionId> open) {
  Safepoint();
  const std::set<ConnectionId> asked(open.begin(), open.end());
  std::set<GatewayId> gateways;
  for (const ConnectionId& id : asked) gateways.insert(id.gateway);
  for (const GatewayId gateway : gateways) {
    std::vector<ConnectionId> others = hub_.state->ConnectionsOf(gateway, std::numeric_limits<size_t>::max());
    std::erase_if(others, [&](const ConnectionId& id) { return asked.contains(id); });
    CallRoll(gateway, others);
  }
}

void HubContext::Admit(const ConnectionId& connection, std::string_view role) {
  outputs_.push_back({DeliveryKind::kAdmit, {{connection, {}}}, false, std::string(role)});
}

void HubContext::SetAutoResponse(const ConnectionId& connection, std::string_view request,
                                 std::string_view reply) {
  if (request.size() > kMaxAutoResponse || reply.size() > kMaxAutoResponse)
    throw std::length_error("an automatic response, and what it answers, have at most 2048 bytes");
  Safepoint();
  CountOutput(1, request.size() + reply.size(), 0);
  outputs_.push_back({DeliveryKind::kAutoResponse,
                      {{connection, {}}},
                      false,
                      AutoResponsePayload({.request = request, .reply = reply})});
}

std::optional<Connection> HubContext::FindConnection(const ConnectionId& id) {
  Safepoint();
  const std::shared_ptr<const Connection> found = hub_.state->FindConnection(id);
  if (found == nullptr) return std::nullopt;
  return *found;
}

std::vector<ConnectionId> HubContext::Connections(std::string_view tag) {
  return Limited([&] { return tag.empty() ? hub_.state->Roster() : hub_.state->Tagged(tag); });
}

void HubContext::SetAttachment(const ConnectionId& id, std::string_view attachment) {
  CheckWritable();
  if (attachment.size() > hub_.limits->max_attachment) {
    throw std::length_error("an attachment has at most " + std::to_string(hub_.limits->max_attachment) +
                            " bytes (option max-attachment)");
  }
  Safepoint();
  CountChange(attachment.size());
  hub_.state->SetAttachment(id, attachment);
}

void HubContext::SetTags(const ConnectionId& id, std::vector<std::string> tags) {
  CheckWritable();
  if (tags.size() > kMaxTags) throw std::length_error("a connection has at most 10 tags");
  for (const std::string& tag : tags) {
    if (tag.empty() || tag.size() > kMaxTag) throw std::length_error("a tag has 1 to 256 bytes");
    if (tag.find('\0') != std::string::npos || tag.find(kTagEnd) != std::string::npos) {
      throw std::invalid_argument("a tag must not hold the bytes 0 and 1");
    }
  }
  hub_.state->SetTags(id, std::move(tags));
}

std::optional<std::string> HubContext::Get(std::string_view key) {
  Safepoint();
  return hub_.state->Get(CheckedKey(key));
}

void HubContext::Put(std::string_view key, std::string_view value) {
  CheckWritable();
  if (value.size() > kMaxValue) throw std::length_error("a value has at most 128 KiB");
  Safepoint();
  CountChange(key.size() + value.size());
  hub_.state->Put(CheckedKey(key), std::string(value));
}

void HubContext::Delete(std::string_view key) {
  CheckWritable();
  Safepoint();
  CountChange(key.size());
  hub_.state->Put(CheckedKey(key), std::nullopt);
}

void HubContext::List(std::string_view prefix, const Visit& visit, std::string_view start) {
  const std::string rows = UserRow(prefix);
  const std::string first = start > prefix ? UserRow(start) : rows;
  Limited([&] {
    hub_.state->Visit(first, PrefixEnd(rows), [&](const std::string& row, const std::string& value) {
      return visit(std::string_view{row}.substr(kUserRows.size()), value);
    });
  });
}

// --- Timers.

void HubContext::SetAlarm(int64_t due_ms) {
  if (due_ms <= 0) throw std::invalid_argument("an alarm is due at a time after 1970");
  ChangeTimer("", due_ms);
}

void HubContext::SetTimer(std::string_view name, int64_t due_ms) {
  if (due_ms <= 0) throw std::invalid_argument("a timer is due at a time after 1970");
  if (name.empty() || name.size() > kMaxTimerName)
    throw std::length_error("a timer's name has 1 to 64 bytes");
  // One that runs has its place still.
  const bool is_new = hub_.state->TimerDue(name) == 0;
  if (is_new && static_cast<size_t>(hub_.state->meta().timers_size()) >= kMaxTimers)
    throw std::length_error("a hub has at most 100 timers");
  ChangeTimer(name, due_ms);
}

void HubContext::DeleteTimer(std::string_view name) {
  if (!name.empty()) ChangeTimer(name, 0);
}

void HubContext::ChangeTimer(std::string_view name, int64_t due_ms) {
  CheckWritable();
  changed_timers_.emplace(name);
  if (running_ && running_->name == name) {
    running_->next_ms = due_ms;
  } else {
    hub_.state->SetTimer(name, due_ms);
  }
}

std::optional<int64_t> HubContext::GetTimer(std::string_view name) {
  return name.empty() ? std::nullopt : FindTimer(name);
}

std::optional<int64_t> HubContext::FindTimer(std::string_view name) const {
  const int64_t due = running_ && running_->name == name ? running_->next_ms : hub_.state->TimerDue(name);
  if (due == 0) return std::nullopt;
  return due;
}

std::vector<std::pair<std::string, int64_t>> HubContext::Timers() {
  std::vector<std::pair<std::string, int64_t>> timers;
  for (const auto& timer : hub_.state->meta().timers()) {
    if (const auto due = FindTimer(timer.name())) timers.emplace_back(timer.name(), *due);
  }
  return timers;
}

// --- Calls.

Context::CallAnswer HubContext::Call(std::string_view hub_class, std::string_view hub_name,
                                     std::string_view payload, std::chrono::milliseconds deadline) {
  if (call_ == nullptr) throw std::logic_error("no hub can be called in OnWake and OnFailure");
  if (hub_class.empty() || hub_class.find('/') != std::string_view::npos || !IsValidHubName(hub_name))
    throw std::invalid_argument("a hub that is called has a class, and a name as clients may give it");
  if (payload.size() > kMaxCall) throw std::length_error("a call has at most 32 MiB");
  Safepoint();
  return Limited([&] { return call_(fmt::format("{}/{}", hub_class, hub_name), payload, deadline); });
}

std::vector<Output> HubContext::TakeCloses() {
  std::erase_if(outputs_, [](const Output& each) { return each.kind != DeliveryKind::kClose; });
  return TakeOutputs();
}

}  // namespace dormouse
