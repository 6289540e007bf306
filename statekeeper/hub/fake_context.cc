#include "statekeeper/hub/fake_context.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace dormouse {
namespace {

constexpr size_t kMaxValue = 128 << 10;
constexpr size_t kMaxAttachment = 16 << 10;

}  // namespace

FakeContext::FakeContext(const HubClass& hub_class, std::string hub_name)
    : class_(hub_class), hub_name_(std::move(hub_name)) {}

FakeContext::~FakeContext() = default;

ConnectionId FakeContext::ClientConnects(const link::OpenRequest& request) {
  const ConnectionId id{gateway_, UuidLow(next_handle_++)};
  const Connection connection{id, now_ms_, now_ms_, {}, {}};
  connections_[id] = connection;
  connecting_ = id;
  if (RunEvent([&](Hub& hub) { hub.OnConnect(*this, connection, request); })) {
    connections_.erase(id);  // what could not be accepted is refused
    closed_[id] = {1011, "OnConnect failed"};
  }
  connecting_.reset();
  return id;
}

void FakeContext::ClientSends(const ConnectionId& client, std::string_view text) {
  ClientSends(client, Message::Text(text));
}

void FakeContext::ClientSends(const ConnectionId& client, const Message& message) {
  const auto found = connections_.find(client);
  if (found == connections_.end()) return;  // its frames go nowhere
  Message arrived = message;
  if (arrived.received_ms == 0) arrived.received_ms = now_ms_;
  if (arrived.sequence == 0) arrived.sequence = ++last_sequence_;
  found->second.last_seen_ms = arrived.received_ms;
  const Connection connection = found->second;
  const auto failure = RunEvent([&](Hub& hub) { hub.OnMessage(*this, connection, arrived); });
  if (!failure) return;
  class_.NewHub()->OnFailure(*this, connection, arrived, *failure);
  Release();
}

void FakeContext::ClientCloses(const ConnectionId& client, uint16_t code, std::string_view reason) {
  Close(client, {code, true, reason});
}

void FakeContext::ConnectionBreaks(const ConnectionId& client, uint16_t code) {
  Close(client, {code, false, {}});
}

void FakeContext::Close(const ConnectionId& client, const CloseInfo& info) {
  const auto found = connections_.find(client);
  if (found == connections_.end()) return;
  Connection connection = std::move(found->second);
  connection.last_seen_ms = LastSeen(connection);
  connections_.erase(found);
  RunEvent([&](Hub& hub) { hub.OnClose(*this, connection, info); });
}

void FakeContext::ClientFallsBehind(const ConnectionId& client, bool paused, const Backlog& backlog) {
  const auto found = connections_.find(client);
  if (found == connections_.end()) return;
  const Connection connection = found->second;
  RunEvent([&](Hub& hub) { hub.OnBackpressure(*this, connection, paused, backlog); });
}

void FakeContext::ReturnUndelivered(const ConnectionId& closed, std::string_view frame, bool unconfirmed) {
  Message message = Message::ReturnableText(frame);
  message.unconfirmed = unconfirmed;
  RunEvent([&](Hub& hub) { hub.OnUndelivered(*this, closed, message); });
}

void FakeContext::ReturnLost(const ConnectionId& closed, const Lost& lost) {
  RunEvent([&](Hub& hub) { hub.OnLost(*this, closed, lost); });
}

int64_t FakeContext::LastSeen(const Connection& connection) const {
  const auto heard = heard_ms_.find(connection.id);
  return std::max(connection.last_seen_ms, heard == heard_ms_.end() ? 0 : heard->second);
}

void FakeContext::AnswerLastSeen() {
  for (const ConnectionId& id : std::exchange(asked_last_seen_, {})) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    found->second.last_seen_ms = LastSeen(found->second);
    const Connection connection = found->second;
    RunEvent([&](Hub& hub) { hub.OnSeen(*this, connection); });
  }
}

void FakeContext::FinishConfirms() {
  for (const ConnectionId& open : std::exchange(confirms_, {})) {
    RunEvent([&](Hub& hub) { hub.OnConfirmed(*this, open); });
  }
}

void FakeContext::FinishRecalls() {
  for (const ConnectionId& closed : std::exchange(recalls_, {})) {
    RunEvent([&](Hub& hub) { hub.OnRecalled(*this, closed); });
  }
}

bool FakeContext::RunDueAlarm() {
  if (!alarm_ms_.has_value() || *alarm_ms_ > now_ms_) return false;
  const std::optional<int64_t> due = std::exchange(alarm_ms_, std::nullopt);
  if (RunEvent([&](Hub& hub) { hub.OnAlarm(*this); })) alarm_ms_ = due;
  return true;
}

bool FakeContext::RunDueTimer() {
  const auto first = std::ranges::min_element(timers_, {}, [](const auto& timer) { return timer.second; });
  if (first == timers_.end() || first->second > now_ms_) return false;
  const std::pair<std::string, int64_t> due = *first;
  timers_.erase(first);
  if (RunEvent([&](Hub& hub) { hub.OnTimer(*this, due.first); })) timers_.insert(due);
  return true;
}

std::vector<std::pair<std::string, int64_t>> FakeContext::Describe() {
  if (hub_ == nullptr) {
    hub_ = class_.NewHub();
    hub_->OnWake(*this);
  }
  return hub_->Describe(*this);
}

std::optional<Hub::Failure> FakeContext::RunEvent(const std::function<void(Hub&)>& handler) {
  Begin();
  rows_read_ = rows_written_ = attachments_written_ = 0;
  stays_awake_ = true;
  if (hub_ == nullptr) {
    hub_ = class_.NewHub();
    hub_->OnWake(*this);
  }
  std::optional<Hub::Failure> failure;
  writable_ = true;
  try {
    handler(*hub_);
  } catch (const std::exception&) {
    failure = Hub::Failure::kHandler;
  }
  writable_ = false;
  if (const auto why = std::exchange(fail_commit_, std::nullopt); why && !failure) failure = why;
  if (!failure && IsStateFull()) failure = Hub::Failure::kStateFull;
  if (failure) {
    RollBack();
  } else {
    Release();
  }
  return failure;
}

void FakeContext::Begin() {
  rows_before_.clear();
  connections_before_.clear();
  alarm_before_ = alarm_ms_;
  timers_before_ = timers_;
}

uint64_t FakeContext::StateBytes() const {
  uint64_t size = 0;
  for (const auto& [key, value] : rows_) size += key.size() + value.size();
  return size;
}

uint64_t FakeContext::state_room() const {
  if (max_state_ == 0) return UINT64_MAX;
  return max_state_ - std::min(max_state_, StateBytes());
}

bool FakeContext::IsStateFull() const {
  int64_t growth = 0;
  for (const auto& [key, before] : rows_before_) {
    if (const auto now = rows_.find(key); now != rows_.end()) {
      growth += static_cast<int64_t>(key.size() + now->second.size());
    }
    if (before.has_value()) growth -= static_cast<int64_t>(key.size() + before->size());
  }
  return growth > 0 && max_state_ != 0 && StateBytes() > max_state_;
}

void FakeContext::Release() {
  for (auto& [to, frame] : std::exchange(sent_, {})) frames_[to].push_back(std::move(frame));
  closed_.merge(std::exchange(closing_, {}));
  for (auto& [client, role] : std::exchange(admitting_, {})) admitted_[client] = std::move(role);
  for (const ConnectionId& closed : std::exchange(recalling_, {})) recalls_.push_back(closed);
  for (const ConnectionId& open : std::exchange(confirming_, {})) confirms_.push_back(open);
  if (!hold_recalls_ && !recalls_.empty()) FinishRecalls();
  if (!hold_confirms_ && !confirms_.empty()) FinishConfirms();
  std::ranges::copy(std::exchange(asking_last_seen_, {}), std::back_inserter(asked_last_seen_));
  if (!asked_last_seen_.empty()) AnswerLastSeen();
}

void FakeContext::RollBack() {
  for (auto& [key, value] : rows_before_) {
    if (value.has_value()) {
      rows_[key] = std::move(*value);
    } else {
      rows_.erase(key);
    }
  }
  for (auto& [id, connection] : connections_before_) {
    if (connection.has_value()) connections_[id] = std::move(*connection);
  }
  alarm_ms_ = alarm_before_;
  timers_ = timers_before_;
  sent_.clear();
  closing_.clear();
  admitting_.clear();
  recalling_.clear();
  confirming_.clear();
  asking_last_seen_.clear();
  hub_.reset();
}

void FakeContext::RequireWritable() const {
  if (!writable_) throw std::logic_error("writes are not allowed here");
}

void FakeContext::Deliver(const ConnectionId& to, std::string frame) {
  if (connections_.contains(to)) sent_.emplace_back(to, std::move(frame));
}

void FakeContext::Confirm(const ConnectionId& open) { confirming_.push_back(open); }

void FakeContext::Recall(const ConnectionId& closed) { recalling_.push_back(closed); }

void FakeContext::AskLastSeen(std::span<const ConnectionId> open) {
  asking_last_seen_.assign(open.begin(), open.end());
}

void FakeContext::Admit(const ConnectionId& connection, std::string_view role) {
  admitting_[connection] = role;
}

std::vector<std::string> FakeContext::TakeFrames(const ConnectionId& client) {
  return std::exchange(frames_[client], {});
}

std::optional<FakeContext::Closed> FakeContext::ClosedByHub(const ConnectionId& client) const {
  const auto found = closed_.find(client);
  if (found == closed_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string> FakeContext::KeysWithPrefix(std::string_view prefix) const {
  std::vector<std::string> keys;
  for (auto row = rows_.lower_bound(std::string(prefix));
       row != rows_.end() && row->first.starts_with(prefix); ++row) {
    keys.push_back(row->first);
  }
  return keys;
}

void FakeContext::Send(const ConnectionId& to, const Message& message) {
  Deliver(to, std::string(message.data));
}

void FakeContext::SendEach(std::span<const HeadedRecipient> recipients, const Message& shared) {
  ++fan_outs_;
  for (const HeadedRecipient& recipient : recipients) {
    Deliver(recipient.to, recipient.head + std::string(shared.data));
  }
}

void FakeContext::Broadcast(const Message& message, std::string_view tag,
                            const std::optional<ConnectionId>& except) {
  for (const ConnectionId& id : Connections(tag)) {
    if (id != except) Deliver(id, std::string(message.data));
  }
}

void FakeContext::Close(const ConnectionId& connection, uint16_t code, std::string_view reason) {
  if (reason.size() > 123) throw std::length_error("a close reason has at most 123 bytes");
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  connections_before_.try_emplace(connection, found->second);
  connections_.erase(found);
  closing_[connection] = {code, std::string(reason)};
}

std::optional<Connection> FakeContext::FindConnection(const ConnectionId& id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return std::nullopt;
  return found->second;
}

std::vector<ConnectionId> FakeContext::Connections(std::string_view tag) {
  std::vector<ConnectionId> ids;
  for (const auto& [id, connection] : connections_) {
    if (tag.empty() || std::ranges::find(connection.tags, tag) != connection.tags.end()) ids.push_back(id);
  }
  return ids;
}

void FakeContext::SetAttachment(const ConnectionId& id, std::string_view attachment) {
  RequireWritable();
  if (attachment.size() > kMaxAttachment) throw std::length_error("an attachment has at most 16 KiB");
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  connections_before_.try_emplace(id, found->second);
  found->second.attachment = attachment;
  ++attachments_written_;
}

void FakeContext::SetTags(const ConnectionId& id, std::vector<std::string> tags) {
  RequireWritable();
  if (connecting_ != id)
    throw std::logic_error("tags are set in OnConnect, for the connection that connects");
  const bool well_sized =
      std::ranges::all_of(tags, [](const std::string& tag) { return !tag.empty() && tag.size() <= 256; });
  if (tags.size() > 10 || !well_sized) throw std::length_error("at most 10 tags of 1-256 bytes");
  if (const auto found = connections_.find(id); found != connections_.end())
    found->second.tags = std::move(tags);
}

std::optional<std::string> FakeContext::Get(std::string_view key) {
  ++rows_read_;
  const auto row = rows_.find(std::string(key));
  if (row == rows_.end()) return std::nullopt;
  return row->second;
}

void FakeContext::Put(std::string_view key, std::string_view value) {
  RequireWritable();
  if (key.empty() || key.size() > kMaxKey || key.find('\0') != key.npos) throw std::length_error("bad key");
  if (value.size() > kMaxValue) throw std::length_error("a value has at most 128 KiB");
  std::string name(key);
  const auto row = rows_.find(name);
  rows_before_.try_emplace(name, row == rows_.end() ? std::nullopt : std::optional(row->second));
  rows_[std::move(name)] = value;
  ++rows_written_;
}

void FakeContext::Delete(std::string_view key) {
  RequireWritable();
  const auto row = rows_.find(std::string(key));
  if (row == rows_.end()) return;
  rows_before_.try_emplace(row->first, row->second);
  rows_.erase(row);
  ++rows_written_;
}

void FakeContext::List(std::string_view prefix, const Visit& visit, std::string_view start) {
  const bool was_writable = std::exchange(writable_, false);
  try {
    for (auto row = rows_.lower_bound(std::string(std::max(prefix, start)));
         row != rows_.end() && row->first.starts_with(prefix); ++row) {
      ++rows_read_;
      if (!visit(row->first, row->second)) break;
    }
  } catch (...) {
    writable_ = was_writable;
    throw;
  }
  writable_ = was_writable;
}

void FakeContext::SetAlarm(int64_t due_ms) {
  RequireWritable();
  alarm_ms_ = due_ms;
}

void FakeContext::DeleteAlarm() {
  RequireWritable();
  alarm_ms_.reset();
}

void FakeContext::SetTimer(std::string_view name, int64_t due_ms) {
  RequireWritable();
  if (name.empty() || name.size() > kMaxTimerName)
    throw std::length_error("a timer's name has 1 to 64 bytes");
  timers_[std::string(name)] = due_ms;
  if (timers_.size() > kMaxTimers) throw std::length_error("a hub has at most 100 timers");
}

std::optional<int64_t> FakeContext::GetTimer(std::string_view name) {
  const auto timer = timers_.find(std::string(name));
  if (timer == timers_.end()) return std::nullopt;
  return timer->second;
}

void FakeContext::DeleteTimer(std::string_view name) {
  RequireWritable();
  timers_.erase(std::string(name));
}

Context::CallAnswer FakeContext::Call(std::string_view hub_class, std::string_view hub_name,
                                      std::string_view payload, std::chrono::milliseconds) {
  RequireWritable();
  const std::string hub = std::string(hub_class) + "/" + std::string(hub_name);
  if (hub_class == this->hub_class() && hub_name == hub_name_)
    return {.payload = {}, .failure = hub + " waits for this call itself"};
  Begin();  // what was written is durable
  closed_.merge(std::exchange(closing_, {}));
  if (call_answers_ == nullptr) return {.payload = {}, .failure = "There is no hub " + hub};
  return call_answers_(hub, payload);
}

}  // namespace dormouse
