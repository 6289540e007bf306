#include "statekeeper/runtime/hub/hub_state.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "common/clock.h"
#include "statekeeper/runtime/hub/hub_past.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

// A hub of at most this many rows is read whole when it wakes; of a larger one this much is read ahead.
constexpr size_t kWakeRows = 256;
constexpr size_t kPageRows = 512;
// Of a hub's rows in memory, roughly: from then on, what is listed is not kept.
constexpr size_t kMaxKept = 64u << 20;
// Rows read for the size of one: a few dozen microseconds.
constexpr size_t kRowsAround = 128;

// What a hub class's row counts for.
int64_t BytesOf(const std::string& row, const std::optional<std::string>& value) {
  return value ? static_cast<int64_t>(row.size() - kUserRows.size() + value->size()) : 0;
}

bool HaveSameTimers(const stored::HubMeta& a, const stored::HubMeta& b) {
  return a.alarm_due_ms() == b.alarm_due_ms() &&
         std::ranges::equal(a.timers(), b.timers(), [](const auto& one, const auto& other) {
           return one.name() == other.name() && one.due_ms() == other.due_ms();
         });
}

}  // namespace

int64_t NextDue(const stored::HubMeta& meta) {
  int64_t next = meta.check_due_ms();
  const auto add = [&next](int64_t due_ms) {
    if (due_ms != 0 && (next == 0 || due_ms < next)) next = due_ms;
  };
  add(meta.alarm_due_ms() == 0 ? 0 : std::max(meta.alarm_due_ms(), meta.alarm_retry_ms()));
  for (const auto& timer : meta.timers()) add(std::max(timer.due_ms(), timer.retry_ms()));
  return next;
}

HubState::HubState(Config config, Store* store, FiberPool* fibers, HandlerClock* clock)
    : config_(std::move(config)), store_(store), fibers_(fibers), clock_(clock) {}

void HubState::CheckMayWait() {
  if (!may_wait_) throw StoreAway();
  if (fibers_->MaySuspend()) return;
  crowded_ = true;
  throw StoreAway();
}

void HubState::Await() {
  clock_->Pause();
  fibers_->Suspend();
  clock_->Continue();
}

RowPage HubState::ReadRange(const std::string& first, const std::string& last, size_t limit) {
  CheckMayWait();
  Fiber* const fiber = fibers_->current();
  StoreStatus status = StoreStatus::kOk;
  RowPage page;
  store_->Range(config_.hub, first, last, limit, [&, fiber](StoreStatus answer, RowPage rows) {
    status = answer;
    page = std::move(rows);
    fibers_->Resume(fiber);
  });
  Await();
  if (status != StoreStatus::kOk) throw StoreAway();
  return page;
}

void HubState::Load() {
  if (loaded_) return;
  rows_.LearnRange("", "", ReadRange("", "", kWakeRows));
  loaded_ = true;
  ReadMeta();
}

void HubState::Unload() {
  rows_.Clear();
  loaded_ = false;
  ForgetParsed();
}

bool HubState::IsLarge() const { return rows_.bytes() > kMaxKept; }

void HubState::ReadMeta() {
  meta_.Clear();
  const RowCache::Value* row = rows_.Find(kMetaRow);
  existed_ = row != nullptr && *row;
  if (existed_) meta_.ParseFromString(**row);
  meta_changed_ = false;
  growth_ = 0;
  unsized_.clear();
  before_.clear();
  const RowCache::Value* const past = rows_.Find(kPastRow);
  has_past_ = past != nullptr && *past;
  indexed_due_ = NextDue();
}

void HubState::ForgetParsed() {
  connections_.clear();
  roster_.clear();
  roster_known_ = false;
}

std::optional<std::string> HubState::Get(const std::string& row) {
  if (const RowCache::Value* value = rows_.Find(row)) return *value;
  CheckMayWait();
  Fiber* const fiber = fibers_->current();
  StoreStatus status = StoreStatus::kOk;
  std::vector<std::optional<std::string>> values;
  store_->Get(config_.hub, {row},
              [&, fiber](StoreStatus answer, std::vector<std::optional<std::string>> got) {
                status = answer;
                values = std::move(got);
                fibers_->Resume(fiber);
              });
  Await();
  if (status != StoreStatus::kOk || values.size() != 1) throw StoreAway();
  rows_.Learn(row, std::move(values[0]));
  return *rows_.Find(row);
}

void HubState::Put(const std::string& row, std::optional<std::string> value) {
  const RowCache::Value* known = rows_.Find(row);
  if (known != nullptr && *known == value) return;
  if (row.starts_with(kUserRows)) {
    growth_ += BytesOf(row, value);
    if (known != nullptr) {
      growth_ -= BytesOf(row, *known);
    } else {
      unsized_.push_back(row);
    }
  }
  change_.undo.push_back(rows_.Write(row, value));
  change_.writes.push_back({row, std::move(value)});
}

void HubState::Visit(const std::string& first, const std::string& last,
                     const std::function<bool(const std::string&, const std::string&)>& visit) {
  bool stopped = false;
  const auto visit_one = [&](const std::string& row, const std::string& value) {
    clock_->Safepoint();
    stopped = !visit(row, value);
    return !stopped;
  };
  std::optional<std::string> at = first;
  for (;;) {
    at = rows_.Visit(*at, last, visit_one);
    if (!at || stopped) return;
    RowPage page = ReadRange(*at, last, kPageRows);
    if (!IsLarge()) {
      rows_.LearnRange(*at, last, std::move(page));
      continue;
    }
    at = rows_.VisitPage(*at, last, page, visit_one);
    if (!at || stopped) return;
  }
}

std::shared_ptr<const Connection> HubState::FindConnection(const ConnectionId& id) {
  const auto it = connections_.find(id);
  if (it != connections_.end()) return it->second;
  const std::optional<std::string> row = Get(ConnectionRow(id));
  if (!row) return nullptr;
  stored::Connection record;
  record.ParseFromString(*row);
  auto connection = std::make_shared<Connection>();
  connection->id = id;
  connection->connected_ms = record.connected_ms();
  connection->last_seen_ms = record.connected_ms();
  connection->attachment = record.attachment();
  connection->tags.assign(record.tags().begin(), record.tags().end());
  if (!record.traceparent().empty())
    connection->traceparent = std::make_shared<const std::string>(record.traceparent());
  return connections_.emplace(id, std::move(connection)).first->second;
}

void HubState::StoreConnection(const Connection& connection) {
  stored::Connection record;
  record.set_connected_ms(connection.connected_ms);
  record.set_attachment(connection.attachment);
  for (const std::string& tag : connection.tags) record.add_tags(tag);
  if (connection.traceparent != nullptr) record.set_traceparent(*connection.traceparent);
  Put(ConnectionRow(connection.id), record.SerializeAsString());
}

void HubState::AddConnection(const ConnectionId& id, int64_t now_ms, std::string_view traceparent) {
  // It is there already when an open is replayed whose commit was durable.
  if (!RemoveConnection(id)) roster_known_ = roster_known_ && (roster_.empty() || roster_.back() < id);
  auto connection = std::make_shared<Connection>();
  connection->id = id;
  connection->connected_ms = now_ms;
  connection->last_seen_ms = now_ms;
  if (!traceparent.empty()) connection->traceparent = std::make_shared<const std::string>(traceparent);
  StoreConnection(*connection);
  connections_.insert_or_assign(id, std::move(connection));
  if (roster_known_) roster_.push_back(id);
  CountConnection(id.gateway, 1, now_ms);
}

bool HubState::RemoveConnection(const ConnectionId& id) {
  const std::shared_ptr<const Connection> connection = FindConnection(id);
  if (connection == nullptr) return false;
  for (const std::string& tag : connection->tags) Put(TagRows(tag) + id.ToString(), std::nullopt);
  Put(ConnectionRow(id), std::nullopt);
  connections_.erase(id);
  roster_known_ = false;
  CountConnection(id.gateway, -1, 0);
  return true;
}

void HubState::CountConnection(GatewayId gateway, int delta, int64_t now_ms) {
  meta_changed_ = true;
  auto* gateways = meta_.mutable_gateways();
  auto it = std::find_if(gateways->begin(), gateways->end(),
                         [&](const auto& each) { return each.gateway() == gateway; });
  if (it == gateways->end()) {
    meta_.add_gateways()->set_gateway(gateway);
    it = gateways->end() - 1;
  }
  it->set_sockets(it->sockets() + static_cast<uint32_t>(delta));
  if (it->sockets() == 0) gateways->erase(it);
  if (gateways->empty()) {
    meta_.set_check_due_ms(0);
  } else if (meta_.check_due_ms() == 0) {
    RearmCheck(now_ms);
  }
}

void HubState::SetAttachment(const ConnectionId& id, std::string_view attachment) {
  const std::shared_ptr<const Connection> current = FindConnection(id);
  if (current == nullptr || current->attachment == attachment) return;
  auto changed = std::make_shared<Connection>(*current);  // handlers may hold the old one
  changed->attachment = attachment;
  StoreConnection(*changed);
  connections_[id] = std::move(changed);
}

void HubState::SetTags(const ConnectionId& id, std::vector<std::string> tags) {
  const std::shared_ptr<const Connection> current = FindConnection(id);
  if (current == nullptr) return;
  for (const std::string& tag : current->tags) Put(TagRows(tag) + id.ToString(), std::nullopt);
  auto changed = std::make_shared<Connection>(*current);
  changed->tags = std::move(tags);
  for (const std::string& tag : changed->tags) Put(TagRows(tag) + id.ToString(), "");
  StoreConnection(*changed);
  connections_[id] = std::move(changed);
}

void HubState::SawConnection(const ConnectionId& id, int64_t at_ms) {
  const auto it = connections_.find(id);
  if (it != connections_.end()) it->second->last_seen_ms = at_ms;
}

size_t HubState::connection_count() const {
  size_t count = 0;
  for (const auto& each : meta_.gateways()) count += each.sockets();
  return count;
}

std::vector<GatewayId> HubState::Gateways() const {
  std::vector<GatewayId> out;
  for (const auto& each : meta_.gateways()) out.push_back(each.gateway());
  return out;
}

const std::vector<ConnectionId>& HubState::Roster() {
  if (roster_known_) return roster_;
  std::vector<ConnectionId> roster;
  Visit(std::string(kConnectionRows), PrefixEnd(kConnectionRows),
        [&](const std::string& row, const std::string&) {
          if (const auto id = ConnectionId::Parse(std::string_view{row}.substr(kConnectionRows.size())))
            roster.push_back(*id);
          return true;
        });
  roster_ = std::move(roster);
  roster_known_ = true;
  return roster_;
}

std::vector<ConnectionId> HubState::Tagged(std::string_view tag) {
  std::vector<ConnectionId> out;
  const std::string rows = TagRows(tag);
  Visit(rows, PrefixEnd(rows), [&](const std::string& row, const std::string&) {
    if (const auto id = ConnectionId::Parse(std::string_view{row}.substr(rows.size()))) out.push_back(*id);
    return true;
  });
  return out;
}

std::vector<ConnectionId> HubState::ConnectionsOf(GatewayId gateway, size_t limit) {
  const std::string rows = gateway == 0 ? std::string(kConnectionRows) : ConnectionRowsOf(gateway);
  return ConnectionsBetween(rows, PrefixEnd(rows), limit);
}

std::vector<ConnectionId> HubState::ConnectionsAfter(const std::string& after, size_t limit) {
  std::string first(kConnectionRows);
  if (!after.empty()) first += after + '\0';
  return ConnectionsBetween(first, PrefixEnd(kConnectionRows), limit);
}

std::vector<ConnectionId> HubState::ConnectionsBetween(const std::string& first, const std::string& last,
                                                       size_t limit) {
  std::vector<ConnectionId> out;
  Visit(first, last, [&](const std::string& row, const std::string&) {
    if (const auto id = ConnectionId::Parse(std::string_view{row}.substr(kConnectionRows.size())))
      out.push_back(*id);
    return out.size() < limit;
  });
  return out;
}

const stored::HubMeta::Timer* HubState::FindTimer(std::string_view name) const {
  for (const auto& timer : meta_.timers()) {
    if (timer.name() == name) return &timer;
  }
  return nullptr;
}

int64_t HubState::TimerDue(std::string_view name) const {
  if (name.empty()) return meta_.alarm_due_ms();
  const auto* const timer = FindTimer(name);
  return timer == nullptr ? 0 : timer->due_ms();
}

uint32_t HubState::TimerFailures(std::string_view name) const {
  if (name.empty()) return meta_.alarm_failures();
  const auto* const timer = FindTimer(name);
  return timer == nullptr ? 0 : timer->failures();
}

std::optional<std::string> HubState::FindDueTimer(int64_t now_ms) const {
  std::optional<std::string> found;
  int64_t earliest_ms = 0;
  const auto look = [&](const std::string& name, int64_t due_ms, int64_t retry_ms) {
    const int64_t at_ms = std::max(due_ms, retry_ms);
    if (due_ms == 0 || at_ms > now_ms || (found && at_ms >= earliest_ms)) return;
    found = name;
    earliest_ms = at_ms;
  };
  look("", meta_.alarm_due_ms(), meta_.alarm_retry_ms());
  for (const auto& timer : meta_.timers()) look(timer.name(), timer.due_ms(), timer.retry_ms());
  return found;
}

void HubState::SetTimer(std::string_view name, int64_t due_ms) {
  if (TimerDue(name) == due_ms && TimerFailures(name) == 0) return;
  meta_changed_ = true;
  if (name.empty()) {
    meta_.set_alarm_due_ms(due_ms);
    meta_.clear_alarm_failures();
    meta_.clear_alarm_retry_ms();
    return;
  }
  auto* const timers = meta_.mutable_timers();
  const auto at = std::ranges::lower_bound(
      *timers, name, {}, [](const auto& timer) -> std::string_view { return timer.name(); });
  const auto place = at - timers->begin();
  const bool is_set = at != timers->end() && at->name() == name;
  if (is_set) timers->erase(at);
  if (due_ms == 0) return;
  auto* const timer = timers->Add();
  timer->set_name(std::string(name));
  timer->set_due_ms(due_ms);
  std::rotate(timers->begin() + place, timers->end() - 1, timers->end());
}

void HubState::RetryTimerAt(std::string_view name, int64_t retry_ms) {
  if (name.empty()) {
    meta_.set_alarm_failures(meta_.alarm_failures() + 1);
    meta_.set_alarm_retry_ms(retry_ms);
    meta_changed_ = true;
    return;
  }
  for (auto& timer : *meta_.mutable_timers()) {
    if (timer.name() != name) continue;
    timer.set_failures(timer.failures() + 1);
    timer.set_retry_ms(retry_ms);
    meta_changed_ = true;
  }
}

void HubState::RearmCheck(int64_t now_ms) {
  // Spread over a tenth of the interval, so that hubs that were opened together do not wake together.
  const int64_t interval = config_.reap_interval.count();
  const auto spread =
      static_cast<int64_t>(std::hash<std::string>()(config_.hub) % static_cast<size_t>(interval / 10 + 1));
  meta_.set_check_due_ms(now_ms + interval + spread);
  meta_changed_ = true;
}

void HubState::SetCalledRoll(uint32_t epoch, uint32_t generation) {
  if (HasCalledRoll(epoch, generation)) return;
  meta_.set_roll_epoch(epoch);
  meta_.set_roll_generation(generation);
  meta_changed_ = true;
}

void HubState::SetBegun(const stored::HubMeta::Begun& begun) {
  *meta_.mutable_begun() = begun;
  meta_changed_ = true;
}

void HubState::ClearBegun() {
  if (!meta_.has_begun()) return;
  meta_.clear_begun();
  meta_changed_ = true;
}

void HubState::SetGivenUp(uint32_t count, int64_t last_ms) {
  meta_.clear_given_up();
  if (count > 0) {
    meta_.mutable_given_up()->set_count(count);
    meta_.mutable_given_up()->set_last_ms(last_ms);
  }
  meta_changed_ = true;
}

bool HubState::CountState(uint64_t max_bytes) {
  for (const std::string& row : unsized_) {
    // With its neighbours: the next rows to be written often lie there, and need no read then.
    const std::string end = PrefixEnd(kUserRows);
    RowPage page = ReadRange(row, end, kRowsAround);
    RowCache::Value before;
    if (!page.rows.empty() && page.rows.front().key == row) before = page.rows.front().value;
    growth_ -= BytesOf(row, before);
    if (KeepsPast()) before_.insert_or_assign(row, std::move(before));
    rows_.LearnRange(row, end, std::move(page));
  }
  unsized_.clear();
  const int64_t growth = growth_;
  if (growth == 0) return true;
  auto bytes = static_cast<int64_t>(meta_.state_bytes()) + growth;
  if (!meta_.has_state_bytes()) {  // a new hub, or one that was stored before sizes were
    bytes = 0;
    Visit(std::string(kUserRows), PrefixEnd(kUserRows),
          [&bytes](const std::string& row, const std::string& value) {
            bytes += static_cast<int64_t>(row.size() - kUserRows.size() + value.size());
            return true;
          });
  }
  growth_ = 0;
  bytes = std::max<int64_t>(bytes, 0);
  meta_.set_state_bytes(static_cast<uint64_t>(bytes));
  meta_changed_ = true;
  return growth < 0 || max_bytes == 0 || static_cast<uint64_t>(bytes) <= max_bytes;
}

uint64_t HubState::RoomFor(uint64_t max_bytes) const {
  if (max_bytes == 0) return std::numeric_limits<uint64_t>::max();
  const int64_t bytes = std::max<int64_t>(static_cast<int64_t>(meta_.state_bytes()) + growth_, 0);
  return max_bytes - std::min(max_bytes, static_cast<uint64_t>(bytes));
}

void HubState::NotePast() {
  if ((!KeepsPast() && !has_past_) || (change_.undo.empty() && !meta_changed_)) return;
  stored::PastChange noted;
  bool all_known = true;
  std::set<std::string_view> seen;  // of several writes of a row the first has undone
  for (const RowCache::Undo& each : change_.undo) {
    if (!each.key.starts_with(kUserRows) || !seen.insert(each.key).second) continue;
    const auto read = each.known ? before_.end() : before_.find(each.key);
    all_known = all_known && (each.known || read != before_.end());
    const RowCache::Value& value = each.known || read == before_.end() ? each.value : read->second;
    auto* const row = noted.add_rows();
    row->set_key(each.key.substr(kUserRows.size()));
    if (value) row->set_value(*value);
  }
  before_.clear();
  if (meta_changed_) {
    stored::HubMeta before;
    if (const RowCache::Value* const row = rows_.Find(kMetaRow); row != nullptr && *row)
      before.ParseFromString(**row);
    if (!HaveSameTimers(before, meta_)) {
      noted.mutable_timers()->set_alarm_due_ms(before.alarm_due_ms());
      *noted.mutable_timers()->mutable_timers() = before.timers();
    }
  }
  if (noted.rows().empty() && !noted.has_timers()) return;
  noted.set_at_ms(WallMs());
  HubPast past(has_past_ ? rows_.Find(kPastRow)->value_or("") : "");
  const std::vector<RowWrite> writes = !KeepsPast() ? past.End()
                                       : all_known  ? past.Add(noted, *config_.limits)
                                                    : past.AddUnknown();
  for (const RowWrite& write : writes) Put(write.key, write.value);
  has_past_ = KeepsPast();
}

HubState::Change HubState::TakeChange() {
  NotePast();
  if (meta_changed_) {
    meta_changed_ = false;
    if (meta_.gateways().empty() && meta_.alarm_due_ms() == 0 && meta_.timers().empty() &&
        meta_.state_bytes() == 0 && !meta_.has_begun() && !meta_.has_given_up()) {
      if (Get(kMetaRow)) Put(kMetaRow, std::nullopt);
    } else {
      Put(kMetaRow, meta_.SerializeAsString());
    }
  }
  if (const int64_t due = NextDue(); loaded_ && due != indexed_due_) {
    change_.next_due = due;
    indexed_due_ = due;
  }
  return std::exchange(change_, {});
}

void HubState::Revert(Change change) {
  while (!change.undo.empty()) {
    rows_.Revert(std::move(change.undo.back()));
    change.undo.pop_back();
  }
  ForgetParsed();
  ReadMeta();
}

}  // namespace dormouse
