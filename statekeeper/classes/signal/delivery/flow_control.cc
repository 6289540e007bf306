#include "statekeeper/classes/signal/delivery/flow_control.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/protocol/envelope.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

constexpr std::string_view kRows = "q/";
// Targets that a reason names; it counts the rest.
constexpr size_t kNamed = 3;

std::string Row(const ConnectionId& target) { return fmt::format("{}{}", kRows, target.ToString()); }

std::string PausePayload(bool canonical, const std::vector<const FlowControl::Target*>& targets) {
  std::string reason;
  std::string addresses = "[";
  for (size_t i = 0; i < targets.size(); ++i) {
    const Address address{targets[i]->address, canonical};
    if (i < kNamed) reason.append(i == 0 ? "" : ", ").append(address.ToString());
    addresses.append(i == 0 ? "" : ",").append(address.ToJson());
  }
  if (targets.size() > kNamed) reason += fmt::format(" and {} more", targets.size() - kNamed);
  reason += targets.size() == 1 ? " does not read as fast as it is sent to."
                                : " do not read as fast as they are sent to.";
  return JsonWriter().String("reason", reason).Raw("targets", addresses + "]").Finish();
}

}  // namespace

FlowControl::FlowControl(Context& context, CongestionMemory& memory) : context_(context), memory_(memory) {
  if (memory_.known) return;
  memory_ = {};
  context_.List(kRows, [&](std::string_view key, std::string_view value) {
    const auto target = ConnectionId::Parse(key.substr(kRows.size()));
    Congestion congestion;
    if (!target || !congestion.ParseFromArray(value.data(), static_cast<int>(value.size()))) return true;
    if (!congestion.over()) {
      for (const auto& producer : congestion.told())
        memory_.told[StoredConnection(producer.connection())].insert(*target);
    }
    memory_.targets[*target] = std::move(congestion);
    return true;
  });
  memory_.known = true;
}

void FlowControl::OnBackpressure(const ConnectionId& target, bool paused, const Backlog& backlog) {
  auto found = memory_.targets.find(target);
  if (found == memory_.targets.end()) {
    if (!paused) return;
    found = memory_.targets.emplace(target, Congestion()).first;
  }
  Congestion& congestion = found->second;
  if (paused && congestion.over()) congestion.clear_told();
  const bool was_over = congestion.over();
  congestion.set_over(!paused);
  congestion.set_messages(backlog.messages);
  congestion.set_bytes(backlog.bytes);
  if (!paused) {
    Release(target, congestion);
    if (congestion.told().empty()) {
      context_.Delete(Row(target));
      memory_.targets.erase(found);
      return;
    }
    if (was_over) return;  // the same event again
  }
  Save(target, congestion);
}

void FlowControl::OnEnd(const ConnectionId& connection) {
  if (const auto told = memory_.told.find(connection); told != memory_.told.end()) {
    for (const ConnectionId& target : told->second) {
      Congestion& congestion = memory_.targets[target];
      auto* producers = congestion.mutable_told();
      producers->erase(std::remove_if(producers->begin(), producers->end(),
                                      [&](const auto& producer) {
                                        return StoredConnection(producer.connection()) == connection;
                                      }),
                       producers->end());
      Save(target, congestion);
    }
    memory_.told.erase(told);
  }
  if (const auto target = memory_.targets.find(connection); target != memory_.targets.end()) {
    if (!target->second.over()) Release(connection, target->second);
    context_.Delete(Row(connection));
    memory_.targets.erase(target);
  }
}

void FlowControl::Release(const ConnectionId& target, const Congestion& congestion) {
  for (const auto& producer : congestion.told()) {
    const ConnectionId connection = StoredConnection(producer.connection());
    if (const auto told = memory_.told.find(connection); told != memory_.told.end()) {
      told->second.erase(target);
      if (!told->second.empty()) continue;
      memory_.told.erase(told);
    }
    const auto to = Address::Parse(producer.address());
    if (!to.has_value()) continue;
    const std::string self = Address{std::string(kHubAddress), to->canonical}.ToJson();
    const std::string frame =
        EnvelopeHead(to->ToJson()) +
        NewEnvelopeTail({.type = "hub:resume", .from = self, .payload = "{}"}, context_.now_ms());
    context_.Send(connection, Message::Text(frame));
  }
}

bool FlowControl::IsCongested(const ConnectionId& target) const {
  const auto found = memory_.targets.find(target);
  return found != memory_.targets.end() && !found->second.over();
}

bool FlowControl::Note(const Producer& producer, const ConnectionId& target) {
  Congestion& congestion = memory_.targets[target];
  std::set<ConnectionId>& told = memory_.told[producer.connection];
  if (told.contains(target)) {
    return producer.repeated && std::ranges::any_of(congestion.told(), [&](const auto& each) {
             return StoredConnection(each.connection()) == producer.connection &&
                    each.told_ms() == producer.sent_ms;
           });
  }
  if (told.size() >= kTargetsPerProducer || congestion.told_size() >= kProducersPerTarget) {
    if (told.empty()) memory_.told.erase(producer.connection);
    return false;
  }
  told.insert(target);
  Congestion::Producer& added = *congestion.add_told();
  added.set_connection(producer.connection.ToBytes());
  added.set_address(producer.address.ToString());
  added.set_told_ms(producer.sent_ms);
  Save(target, congestion);
  return true;
}

void FlowControl::TellProducer(const Producer& producer, const std::vector<Target>& targets) {
  std::vector<const Target*> news;
  for (const Target& target : targets) {
    if (IsCongested(target.connection) && Note(producer, target.connection)) news.push_back(&target);
  }
  if (news.empty()) return;
  const bool canonical = producer.address.canonical;
  const std::string self = Address{std::string(kHubAddress), canonical}.ToJson();
  const std::string payload = PausePayload(canonical, news);
  const std::string frame =
      EnvelopeHead(producer.address.ToJson()) +
      NewEnvelopeTail({.type = "hub:pause", .from = self, .payload = payload}, context_.now_ms());
  context_.Send(producer.connection, Message::Text(frame));
}

uint64_t FlowControl::waiting_messages() const {
  uint64_t messages = 0;
  for (const auto& [target, congestion] : memory_.targets) {
    if (!congestion.over()) messages += congestion.messages();
  }
  return messages;
}

void FlowControl::Save(const ConnectionId& target, const Congestion& congestion) {
  context_.Put(Row(target), congestion.SerializeAsString());
}

}  // namespace dormouse::signal
