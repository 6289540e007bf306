#include "statekeeper/store/redis/cluster_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/redis/redis_errors.h"
#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {
namespace {

// A transaction keeps the node from serving others.
constexpr size_t kUnitCalls = 32;
constexpr size_t kUnitBytes = 32u << 10;
constexpr double kFirstPause = 0.01;  // seconds
constexpr double kLongestPause = 0.25;
constexpr int kQuickRedirects = 3;  // without a back-off: nodes may disagree for a while
constexpr double kHousekeepingSeconds = 0.1;
constexpr int64_t kStalledMs = 500;      // a node that was replaced gets no longer for its answers
constexpr int64_t kUnneededMs = 10'000;  // a node without slots may be given some
constexpr int64_t kCountMs = 100;

// A key with a tag, that falls into this slot.
std::string KeyOfSlot(const std::string& prefix, uint16_t slot) {
  for (uint32_t i = 0;; ++i) {
    std::string key = fmt::format("{}:probe:{{{}}}", prefix, i);
    if (ClusterSlotOf(key) == slot) return key;
  }
}

}  // namespace

// One node's connection and the units that are on it.
class ClusterCalls::Node final : private RedisConnection::Owner {
 public:
  Node(ClusterCalls* owner, RedisAddress address)
      : address_(std::move(address)),
        owner_(owner),
        connection_(owner->loop_, ConfigOf(*owner, address_), this) {}

  const RedisAddress& address() const { return address_; }
  RedisConnection& connection() { return connection_; }
  const RedisConnection& connection() const { return connection_; }
  bool idle() const { return units_.empty(); }
  bool full() const { return bytes_ >= kRedisWindowBytes; }
  bool stalled() const { return !units_.empty() && SteadyMs() - units_.front().sent_ms >= kStalledMs; }
  int64_t last_used_ms() const { return last_used_ms_; }

  void Send(Slot* slot, size_t calls, bool asking) {
    Unit unit{slot, 0, 0, SteadyMs(), {}};
    const auto send = [&](std::string_view command) {
      connection_.Send(command);
      ++unit.replies_left;
      unit.bytes += command.size();
    };
    if (asking) send(RedisCommand("ASKING"));
    if (calls > 1) send(RedisCommand("MULTI"));
    for (size_t i = 0; i < calls; ++i) send(slot->calls[i].command);
    if (calls > 1) send(RedisCommand("EXEC"));
    Add(std::move(unit));
  }

  void AskForSlots() {
    connection_.Send(RedisCommand("CLUSTER", "SLOTS"));
    Add({nullptr, 1, 0, SteadyMs(), {}});
  }

  // What was sent since the last time leaves.
  void Flush() {
    if (std::exchange(unflushed_, false)) connection_.Flush();
  }

 private:
  struct Unit {
    Slot* slot;  // null: CLUSTER SLOTS
    size_t replies_left;
    size_t bytes;
    int64_t sent_ms;
    std::string turned_away;  // the first error before the last reply
  };

  static RedisConfig ConfigOf(const ClusterCalls& owner, const RedisAddress& address) {
    RedisConfig config = owner.config_;
    config.server.hosts = {address};
    return config;
  }

  void Add(Unit unit) {
    bytes_ += unit.bytes;
    last_used_ms_ = unit.sent_ms;
    units_.push_back(std::move(unit));
    unflushed_ = true;
  }

  void OnReply(const redisReply& reply) override {
    if (units_.front().replies_left > 1) {
      --units_.front().replies_left;
      if (reply.type == REDIS_REPLY_ERROR && units_.front().turned_away.empty()) {
        units_.front().turned_away = Text(reply);
      }
      return;
    }
    const Unit unit = std::move(units_.front());
    units_.pop_front();
    bytes_ -= unit.bytes;
    if (unit.slot == nullptr) return owner_->LearnSlots(reply, address_);
    owner_->HandleAnswer(this, unit.slot, unit.turned_away, reply);  // may destroy *this
  }

  void OnBroken() override {
    bytes_ = 0;
    unflushed_ = false;
    for (const Unit& unit : std::exchange(units_, {})) {
      if (unit.slot == nullptr) continue;
      unit.slot->under_way = 0;
      unit.slot->node = nullptr;
      owner_->Wait(unit.slot);
    }
    owner_->map_wanted_ = true;
    owner_->StartHousekeeping();
  }

  void OnSlots(const redisReply& reply) override { owner_->LearnSlots(reply, address_); }

  std::string ProbeKey() override {
    if (probe_key_.empty() || !owner_->IsOwner(address_, probe_slot_)) {
      probe_key_.clear();
      for (probe_slot_ = 0; probe_slot_ < kClusterSlots; ++probe_slot_) {
        if (!owner_->IsOwner(address_, probe_slot_)) continue;
        probe_key_ = KeyOfSlot(owner_->config_.probe_key, probe_slot_);
        break;
      }
    }
    return probe_key_;
  }

  const RedisAddress address_;
  ClusterCalls* const owner_;
  std::deque<Unit> units_;
  size_t bytes_ = 0;
  bool unflushed_ = false;
  int64_t last_used_ms_ = SteadyMs();
  std::string probe_key_;
  uint16_t probe_slot_ = 0;  // where that is
  RedisConnection connection_;
};

ClusterCalls::Slot::Slot(ClusterCalls* owner, uint16_t slot_number)
    : number(slot_number),
      calls(
          owner->loop_, owner->config_.timeout, [owner, this] { owner->Expire(this); }, &owner->bytes_) {}

ClusterCalls::ClusterCalls(struct ev_loop* loop, RedisConfig config)
    : loop_(loop), config_(std::move(config)), prepare_(loop), back_off_(loop), housekeeping_(loop) {
  prepare_.set<ClusterCalls, &ClusterCalls::OnPrepare>(this);
  back_off_.set<ClusterCalls, &ClusterCalls::OnBackOff>(this);
  housekeeping_.set<ClusterCalls, &ClusterCalls::OnHousekeeping>(this);
  // As in RedisPipeline.
  prepare_.priority = EV_MINPRI;
  prepare_.start();
  StartHousekeeping();
  for (const RedisAddress& host : config_.server.hosts) NodeAt(host);
}

ClusterCalls::~ClusterCalls() = default;

void ClusterCalls::Call(std::string_view key, std::string command, ReplyHandler done) {
  Slot& slot = SlotOf(key);
  if (slot.calls.Push({std::move(command), std::move(done)})) Wait(&slot);
}

ClusterCalls::Slot& ClusterCalls::SlotOf(std::string_view key) {
  const uint16_t number = ClusterSlotOf(key);
  std::unique_ptr<Slot>& slot = slots_[number];
  if (slot == nullptr) slot = std::make_unique<Slot>(this, number);
  return *slot;
}

ClusterCalls::Node& ClusterCalls::NodeAt(const RedisAddress& address) {
  std::unique_ptr<Node>& node = nodes_[address];
  if (node == nullptr) node = std::make_unique<Node>(this, address);
  return *node;
}

ClusterCalls::Node* ClusterCalls::NodeFor(const Slot& slot) {
  if (slot.ask) return &NodeAt(*slot.ask);
  const RedisAddress* owner = map_.OwnerOf(slot.number);
  return owner == nullptr ? nullptr : &NodeAt(*owner);
}

bool ClusterCalls::IsOwner(const RedisAddress& node, uint16_t slot) const {
  const RedisAddress* owner = map_.OwnerOf(slot);
  return owner != nullptr && *owner == node;
}

bool ClusterCalls::healthy() const {
  return map_.complete() &&
         std::all_of(map_.nodes().begin(), map_.nodes().end(), [this](const auto& address) {
           const auto node = nodes_.find(address);
           return node != nodes_.end() && node->second->connection().healthy();
         });
}

bool ClusterCalls::Serves(const RedisAddress& address) const {
  const auto node = nodes_.find(address);
  return node != nodes_.end() && node->second->connection().state() == StoreState::kWell;
}

size_t ClusterCalls::SlotsServed() const {
  if (served_counted_ms_ != 0 && SteadyMs() - served_counted_ms_ < kCountMs) return served_;
  served_counted_ms_ = SteadyMs();
  served_ = 0;
  const RedisAddress* last = nullptr;
  bool last_serves = false;
  for (uint16_t slot = 0; slot < kClusterSlots; ++slot) {
    const RedisAddress* owner = map_.OwnerOf(slot);
    if (owner != last) {
      last = owner;
      last_serves = owner != nullptr && Serves(*owner);
    }
    if (last_serves) ++served_;
  }
  return served_;
}

StoreState ClusterCalls::state() const {
  if (map_.complete() && std::all_of(map_.nodes().begin(), map_.nodes().end(),
                                     [this](const auto& address) { return Serves(address); })) {
    served_counted_ms_ = 0;
    return StoreState::kWell;
  }
  if (2 * SlotsServed() >= kClusterSlots) return StoreState::kPartly;
  const bool all_answer = std::none_of(map_.nodes().begin(), map_.nodes().end(), [this](const auto& address) {
    const auto node = nodes_.find(address);
    return node == nodes_.end() || node->second->connection().state() == StoreState::kAway;
  });
  return map_.complete() && all_answer ? StoreState::kRefuses : StoreState::kAway;
}

bool ClusterCalls::refused() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const auto& node) { return node.second->connection().refused(); });
}

std::string ClusterCalls::trouble() const {
  std::string what = "there are slots that no node serves";
  for (const auto& [address, node] : nodes_) {
    if (node->connection().state() == StoreState::kWell) continue;
    what = fmt::format("the node {}: {}", address.ToString(), node->connection().trouble());
    break;
  }
  const size_t served = map_.nodes().empty() ? 0 : SlotsServed();
  return served == 0
             ? what
             : fmt::format("{} of {} slots are not served ({})", kClusterSlots - served, kClusterSlots, what);
}

void ClusterCalls::Refused(Node* node, std::string_view error) {
  node->connection().Refused(error);
  served_counted_ms_ = 0;
}

std::string ClusterCalls::eviction() const {
  for (const auto& [address, node] : nodes_) {
    if (!node->connection().eviction().empty()) return node->connection().eviction();
  }
  return "";
}

void ClusterCalls::Wait(Slot* slot) {
  if (slot->waiting || slot->under_way > 0) return;
  slot->waiting = true;
  waiting_.push_back(slot);
}

void ClusterCalls::BackOff(Slot* slot) {
  slot->waiting = true;
  backing_off_.push_back(slot);
  if (back_off_.is_active()) return;
  back_off_.start(std::min(kLongestPause, kFirstPause * (1 << std::min(back_offs_, 10))));
  ++back_offs_;
}

void ClusterCalls::OnBackOff(ev::timer&, int) {
  waiting_.insert(waiting_.end(), backing_off_.begin(), backing_off_.end());
  backing_off_.clear();
}

void ClusterCalls::OnPrepare(ev::prepare&, int) {
  if (waiting_.empty()) return;
  std::vector<Slot*> waiting;
  for (Slot* slot : std::exchange(waiting_, {})) {
    Node* node = slot->calls.empty() ? nullptr : NodeFor(*slot);
    if (slot->calls.empty()) {
      slot->waiting = false;
    } else if (node != nullptr && node->connection().ready() && !node->full()) {
      slot->waiting = false;
      SendUnit(slot, node);
    } else {
      waiting.push_back(slot);
    }
  }
  // Nodes that were made meanwhile may have brought others.
  waiting_.insert(waiting_.begin(), waiting.begin(), waiting.end());
  for (const auto& [address, node] : nodes_) node->Flush();
  StartHousekeeping();
}

void ClusterCalls::StartHousekeeping() {
  if (!housekeeping_.is_active()) housekeeping_.start(kHousekeepingSeconds, kHousekeepingSeconds);
}

void ClusterCalls::SendUnit(Slot* slot, Node* node) {
  if (script_hashes_.empty()) script_hashes_ = node->connection().script_hashes();
  size_t count = 1;
  if (!slot->one_by_one && !slot->ask) {
    size_t bytes = slot->calls[0].bytes();
    while (count < slot->calls.size() && count < kUnitCalls &&
           (bytes += slot->calls[count].bytes()) <= kUnitBytes) {
      ++count;
    }
  }
  slot->under_way = count;
  slot->node = node;
  node->Send(slot, count, std::exchange(slot->ask, std::nullopt).has_value());
}

void ClusterCalls::Expire(Slot* slot) {
  slot->ask.reset();
  // The calls that are on the connection are not wanted any more, and must not be carried out later.
  if (slot->node != nullptr) slot->node->connection().Reconnect("no answer");
}

void ClusterCalls::HandleAnswer(Node* node, Slot* slot, const std::string& turned_away,
                                const redisReply& reply) {
  const bool transaction = slot->under_way > 1;
  std::string error;
  if (transaction && !turned_away.empty()) {
    error = turned_away;
  } else if (reply.type == REDIS_REPLY_ERROR) {
    error = Text(reply);
  } else if (transaction) {
    for (size_t i = 0; i < reply.elements && error.empty(); ++i) {
      const std::string_view text = Text(*reply.element[i]);
      if (reply.element[i]->type == REDIS_REPLY_ERROR && (SaysAway(text) || IsErrorCode(text, "NOSCRIPT"))) {
        error = text;
      }
    }
  }
  const bool refused_alone = !transaction && !error.empty() && !SaysAway(error) &&
                             !IsErrorCode(error, "NOSCRIPT") && !ParseRedirect(error, node->address());
  if (!error.empty() && !refused_alone) return HandleRefusal(node, slot, error);
  slot->one_by_one = false;
  slot->redirects = 0;
  back_offs_ = 0;
  Deliver(slot, reply);
}

// Nothing of the unit counts as carried out.
void ClusterCalls::HandleRefusal(Node* node, Slot* slot, const std::string& error) {
  slot->under_way = 0;
  slot->node = nullptr;
  slot->one_by_one = true;
  if (const std::optional<ClusterRedirect> redirect = ParseRedirect(error, node->address())) {
    if (redirect->ask) {
      slot->ask = redirect->to;
    } else {
      map_.SetOwner(slot->number, redirect->to);
      map_wanted_ = true;
    }
    if (++slot->redirects <= kQuickRedirects) return Wait(slot);
    return BackOff(slot);
  }
  if (IsErrorCode(error, "NOSCRIPT")) {
    node->connection().Reconnect(error);  // which loads the scripts
    return Wait(slot);
  }
  if (!SaysAway(error)) return Wait(slot);  // one of a transaction is wrong: find out which
  if (!SaysElsewhere(error)) Refused(node, error);
  map_wanted_ = true;
  BackOff(slot);
}

void ClusterCalls::Deliver(Slot* slot, const redisReply& reply) {
  const size_t count = std::exchange(slot->under_way, 0);
  Node* const node = std::exchange(slot->node, nullptr);
  const std::weak_ptr<char> alive = alive_;
  for (size_t i = 0; i < count; ++i) {
    const redisReply& answer = count > 1 ? *reply.element[i] : reply;
    const bool error = answer.type == REDIS_REPLY_ERROR;
    if (error && SaysFull(Text(answer))) {
      Refused(node, Text(answer));
    } else if (error) {
      node->connection().Suspect();
    }
    if (error && SteadyMs() >= next_log_ms_) {
      next_log_ms_ = SteadyMs() + kRefusalLogIntervalMs;
      SPDLOG_ERROR("Redis at {} refused a command: {}", config_.server.Address(),
                   WithoutArguments(Text(answer)));
    }
    const PendingCall call = slot->calls.PopFront();
    call.done(error ? StoreStatus::kError : StoreStatus::kOk, error ? nullptr : &answer);
    if (alive.expired()) return;
  }
  if (!slot->calls.empty()) Wait(slot);
}

void ClusterCalls::LearnSlots(const redisReply& reply, const RedisAddress& asked) {
  ClusterSlots map;
  if (!map.Parse(reply, asked) || map.nodes().empty()) return;
  map_ = std::move(map);
  map_wanted_ = false;
  // Nodes may be made and left now, but not here: one of them is calling.
}

void ClusterCalls::AskForSlots() {
  std::vector<Node*> able;
  for (const auto& [address, node] : nodes_) {
    if (node->connection().ready() && !node->stalled()) able.push_back(node.get());
  }
  if (able.empty()) {
    for (const RedisAddress& host : config_.server.hosts) NodeAt(host);
    return;
  }
  // The next one: the last may know less.
  auto next = std::find_if(able.begin(), able.end(),
                           [this](const Node* node) { return node->address() > last_asked_; });
  if (next == able.end()) next = able.begin();
  last_asked_ = (*next)->address();
  (*next)->AskForSlots();
  (*next)->Flush();
}

// Leaves nodes that serve no slot. Units that a stalled one had go to those that do now.
void ClusterCalls::ReleaseNodes() {
  if (map_.nodes().empty()) return;
  std::erase_if(nodes_, [this](const auto& entry) {
    Node& node = *entry.second;
    if (map_.Owns(node.address())) return false;
    if (node.stalled()) node.connection().Reconnect("it was replaced and does not answer");
    return node.idle() && (!node.connection().ready() || SteadyMs() - node.last_used_ms() > kUnneededMs);
  });
}

bool ClusterCalls::Calm() const {
  return healthy() && !map_wanted_ && waiting_.empty() && backing_off_.empty() &&
         std::all_of(nodes_.begin(), nodes_.end(),
                     [this](const auto& node) { return node.second->idle() && map_.Owns(node.first); });
}

void ClusterCalls::OnHousekeeping(ev::timer&, int) {
  for (const RedisAddress& address : std::vector(map_.nodes())) NodeAt(address);
  for (Slot* slot : waiting_) slot->ask.reset();  // the node that was named cannot be reached
  ReleaseNodes();
  const bool trouble = std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return !node.second->connection().ready() || node.second->stalled();
  });
  if (map_wanted_ || trouble || !map_.complete()) AskForSlots();
  if (Calm()) housekeeping_.stop();
}

}  // namespace dormouse
