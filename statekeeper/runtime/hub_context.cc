#include "statekeeper/runtime/hub_context.h"

#include <stdexcept>
#include <utility>

#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

constexpr size_t kMaxKey = 1024;
constexpr size_t kMaxValue = 128u << 10;
constexpr size_t kMaxAttachment = 16u << 10;
constexpr size_t kMaxTags = 10;
constexpr size_t kMaxTag = 256;
constexpr size_t kMaxReason = 123;  // RFC 6455, 5.5: a control frame's 125 bytes less the code

DeliveryKind KindOf(const Message& message) {
  return message.binary ? DeliveryKind::kBinary : DeliveryKind::kText;
}

std::string CheckedKey(std::string_view key) {
  if (key.empty() || key.size() > kMaxKey) throw std::length_error("a key has 1 to 1024 bytes");
  if (key.find('\0') != std::string_view::npos)
    throw std::invalid_argument("a key must not hold a zero byte");
  return UserRow(key);
}

}  // namespace

void HubContext::CheckWritable() const {
  if (access_ == Access::kReadOnly) throw std::logic_error("state cannot be written in OnWake and OnFailure");
}

void HubContext::Send(const ConnectionId& to, const Message& message) {
  outputs_.push_back({KindOf(message), {{to, {}}}, false, std::string(message.data)});
}

void HubContext::SendEach(std::span<const HeadedRecipient> recipients, const Message& shared) {
  if (recipients.empty()) return;
  outputs_.push_back({KindOf(shared), {}, true, std::string(shared.data)});
  Output& output = outputs_.back();
  output.to.reserve(recipients.size());
  for (const HeadedRecipient& recipient : recipients) output.to.push_back({recipient.to, recipient.head});
}

void HubContext::Broadcast(const Message& message, std::string_view tag,
                           const std::optional<ConnectionId>& except) {
  Output output{KindOf(message), {}, false, std::string(message.data)};
  const auto add = [&](const std::vector<ConnectionId>& ids) {
    output.to.reserve(ids.size());
    for (const ConnectionId& id : ids) {
      if (id != except) output.to.push_back({id, {}});
    }
  };
  if (tag.empty()) {
    add(state_->Roster());
  } else {
    add(state_->Tagged(tag));
  }
  if (!output.to.empty()) outputs_.push_back(std::move(output));
}

void HubContext::Close(const ConnectionId& connection, uint16_t code, std::string_view reason) {
  CheckWritable();
  if (state_->RemoveConnection(connection)) CloseUnknown(connection, code, reason);
}

void HubContext::CloseUnknown(const ConnectionId& connection, uint16_t code, std::string_view reason) {
  outputs_.push_back(
      {DeliveryKind::kClose, {{connection, {}}}, false, ClosePayload(code, reason.substr(0, kMaxReason))});
}

void HubContext::Recall(const ConnectionId& /*closed*/) {}

void HubContext::Admit(const ConnectionId& connection) {
  outputs_.push_back({DeliveryKind::kAdmit, {{connection, {}}}, false, ""});
}

size_t HubContext::waiting_events() const { return 0; }

std::optional<Connection> HubContext::FindConnection(const ConnectionId& id) {
  const std::shared_ptr<const Connection> found = state_->FindConnection(id);
  if (found == nullptr) return std::nullopt;
  return *found;
}

std::vector<ConnectionId> HubContext::Connections(std::string_view tag) {
  return tag.empty() ? state_->Roster() : state_->Tagged(tag);
}

void HubContext::SetAttachment(const ConnectionId& id, std::string_view attachment) {
  CheckWritable();
  if (attachment.size() > kMaxAttachment) throw std::length_error("an attachment has at most 16 KiB");
  state_->SetAttachment(id, attachment);
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
  state_->SetTags(id, std::move(tags));
}

std::optional<std::string> HubContext::Get(std::string_view key) { return state_->Get(CheckedKey(key)); }

void HubContext::Put(std::string_view key, std::string_view value) {
  CheckWritable();
  if (value.size() > kMaxValue) throw std::length_error("a value has at most 128 KiB");
  state_->Put(CheckedKey(key), std::string(value));
}

void HubContext::Delete(std::string_view key) {
  CheckWritable();
  state_->Put(CheckedKey(key), std::nullopt);
}

void HubContext::List(std::string_view prefix,
                      const std::function<bool(std::string_view, std::string_view)>& visit,
                      std::string_view start) {
  const std::string rows = UserRow(prefix);
  const std::string first = start > prefix ? UserRow(start) : rows;
  state_->Visit(first, PrefixEnd(rows), [&](const std::string& row, const std::string& value) {
    return visit(std::string_view{row}.substr(kUserRows.size()), value);
  });
}

void HubContext::SetAlarm(int64_t due_ms) {
  if (due_ms <= 0) throw std::invalid_argument("an alarm is due at a time after 1970");
  ChangeAlarm(due_ms);
}

void HubContext::DeleteAlarm() { ChangeAlarm(0); }

void HubContext::ChangeAlarm(int64_t due_ms) {
  CheckWritable();
  changed_alarm_ = true;
  if (deferred_alarm_) {
    deferred_alarm_ = due_ms;
  } else {
    state_->SetAlarm(due_ms);
  }
}

std::optional<int64_t> HubContext::GetAlarm() {
  const int64_t due = deferred_alarm_.value_or(state_->alarm_due_ms());
  if (due == 0) return std::nullopt;
  return due;
}

}  // namespace dormouse
