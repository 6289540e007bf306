#include "statekeeper/classes/signal/permissions.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "statekeeper/classes/signal/capability.h"
#include "statekeeper/classes/signal/messages.h"
#include "statekeeper/classes/signal/pattern.h"
#include "statekeeper/classes/signal/session.h"

namespace dormouse::signal {
namespace {

// What a message asks of its session.
struct Demand {
  uint32_t capabilities = 0;  // all of these
  bool speaks = false;        // for an actor: `from` counts
  bool when_expired = false;  // it may be sent with an expired token
};

const Demand& DemandOf(const std::string& type) {
  static const std::map<std::string_view, Demand> demands = {
      {"hub:heartbeat", {.when_expired = true}},
      {"hub:disconnect", {.when_expired = true}},
      {"hub:refresh_token", {.when_expired = true}},
      {"hub:register", {.capabilities = kMayRegister, .speaks = true}},
      {"hub:renew", {.capabilities = kMayRegister, .speaks = true}},
      {"hub:unregister", {.speaks = true}},
      {"hub:discover", {.capabilities = kMayDiscover}},
      {"hub:list_actors", {.capabilities = kMayDiscover}},
      {"hub:send", {.capabilities = kMaySend, .speaks = true}},
      {"hub:broadcast", {.capabilities = kMayBroadcast, .speaks = true}},
      {"hub:publish", {.capabilities = kMayPublish, .speaks = true}},
      {"hub:subscribe", {.capabilities = kMaySubscribe | kMayReceive, .speaks = true}},
      {"hub:unsubscribe", {.speaks = true}},
  };
  static const Demand application = {.capabilities = kMaySend, .speaks = true};
  static const Demand nothing;
  if (!Envelope::IsHubType(type)) return application;
  const auto found = demands.find(type);
  return found == demands.end() ? nothing : found->second;
}

void Refuse(const Call& call, std::string message, std::string resolution) {
  call.Fail({ErrorCode::kUnauthorized, std::move(message), std::move(resolution)});
}

bool Covers(const Grant& grant, const std::string& address) {
  if (address == grant.actor()) return true;
  return std::ranges::any_of(grant.actors(), [&](const std::string& glob) {
    std::string wrong;
    const auto pattern = AddressPattern::Parse(glob, DIALECT_0_1, &wrong);
    return pattern.has_value() && pattern->Matches(address);
  });
}

// Whether a message registers the address that it is from: before the first there is none to be from.
bool RegistersSender(const Call& call) {
  if (call.request.type != "hub:register") return false;
  const auto address = Address::Parse(JsonString(call.request.payload.Find("actorAddress")).value_or(""));
  return address.has_value() && address->bare == call.from->bare;
}

// What was registered under another token counts only as far as the present one goes.
bool IsOwnSender(Call& call) {
  if (!call.from.has_value()) return false;
  const std::string& from = call.from->bare;
  const Grant& grant = call.session.grant();
  return from == grant.actor() ||
         (Covers(grant, from) && (RegistersSender(call) || HasRegistered(call, from)));
}

}  // namespace

bool IsForbidden(Call& call) {
  if (call.authority == nullptr || call.request.type == "hub:connect") return false;
  if (!IsConnected(call.session)) {
    Refuse(call, "This session has not connected.",
           "Send hub:connect with a token first, and wait for hub:connected.");
    return true;
  }
  const Demand& demand = DemandOf(call.request.type);
  const Grant& grant = call.session.grant();
  if (grant.expires_ms() <= call.context.now_ms() && !demand.when_expired) {
    Refuse(call, "The session's token has expired.",
           "Send hub:connect with a new token of the same actor; next time hub:refresh_token before it "
           "expires.");
    return true;
  }
  if (const uint32_t missing = demand.capabilities & ~grant.capabilities(); missing != 0) {
    Refuse(call, "The session's token does not grant what this needs: " + CapabilityNames(missing) + ".",
           "Get a token whose claim capabilities has it, or that has no such claim.");
    return true;
  }
  if (demand.speaks && !IsOwnSender(call)) {
    Refuse(call, "\"from\" is neither the token's actor nor an address that this session has registered.",
           "Send \"from\" as the token's actorId, or register the address first.");
    return true;
  }
  return false;
}

bool MayActFor(const Call& call, const std::string& address) {
  if (call.authority == nullptr || Covers(call.session.grant(), address)) return true;
  Refuse(call, "The session's token does not cover this address.",
         "Name the token's actorId, or an address that its claim actors matches.");
  return false;
}

bool IsOwn(const Call& call, const std::string& address, const ConnectionId& owner) {
  if (owner == call.connection.id) return true;
  if (IsConnected(call.session)) return call.session.identity() == address;
  return call.from.has_value() && call.from->bare == address;
}

bool MayWatch(const Call& call) {
  if (call.authority == nullptr || (call.session.grant().capabilities() & kMayDiscover) != 0) return true;
  Refuse(call, "The session's token does not grant what this needs: " + CapabilityNames(kMayDiscover) + ".",
         "Get a token whose claim capabilities has it, or that has no such claim.");
  return false;
}

bool MayReceive(const Call& call) {
  return call.authority == nullptr || (call.session.grant().capabilities() & kMayReceive) != 0;
}

}  // namespace dormouse::signal
