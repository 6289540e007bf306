#include "statekeeper/classes/signal/messages/permissions.h"

#include <algorithm>
#include <utility>

#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/protocol/capability.h"
#include "statekeeper/classes/signal/protocol/pattern.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

void Refuse(const Call& call, std::string message, std::string resolution) {
  call.Fail({ErrorCode::kUnauthorized, std::move(message), std::move(resolution)});
}

bool Covers(const Grant& grant, const std::string& address) {
  if (address == grant.actor()) return true;
  return std::ranges::any_of(grant.actors(), [&](const std::string& glob) {
    std::string wrong;
    const auto pattern = AddressPattern::Parse(glob, AddressPattern::Syntax::kGlob, &wrong);
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
  static constexpr MessageType kUnknown;  // it is refused later, for what it is
  const MessageType& type = call.type != nullptr ? *call.type : kUnknown;
  if (call.authority == nullptr || type.begins_session) return false;
  if (!IsConnected(call.session)) {
    Refuse(call, "This session has not connected.",
           "Send hub:connect with a token first, and wait for hub:connected.");
    return true;
  }
  const Grant& grant = call.session.grant();
  if (grant.expires_ms() <= call.context.now_ms() && type.needs_fresh_token) {
    Refuse(call, "The session's token has expired.",
           "Send hub:connect with a new token of the same actor; next time hub:refresh_token before it "
           "expires.");
    return true;
  }
  if (const uint32_t missing = type.needs & ~grant.capabilities(); missing != 0) {
    Refuse(call, "The session's token does not grant what this needs: " + CapabilityNames(missing) + ".",
           "Get a token whose claim capabilities has it, or that has no such claim.");
    return true;
  }
  if (type.speaks_for_actor && !IsOwnSender(call)) {
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
