#include "statekeeper/classes/signal/messages/authentication.h"

#include <strings.h>

#include <optional>
#include <string_view>
#include <utility>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/protocol/capability.h"
#include "statekeeper/classes/signal/protocol/pattern.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

constexpr const char* kTokenHint =
    "Send hub:connect with a token as payload.jwt (protocol 1.0) or metadata.authToken (0.1).";

// Checking a token takes time, and nobody needs so many tries.
constexpr int kMaxFailedConnects = 10;
constexpr uint16_t kPolicyViolation = 1008;  // RFC 6455, 7.4.1

constexpr std::string_view kBearer = "bearer ";

std::string WithoutScheme(std::string token) {
  if (token.size() >= kBearer.size() && strncasecmp(token.data(), kBearer.data(), kBearer.size()) == 0) {
    token.erase(0, kBearer.size());
  }
  return token;
}

// Nothing: the session cannot be for what the claims name; `*problem` is a sentence.
std::optional<Grant> GrantOf(const TokenClaims& claims, std::string_view hub, const Options& options,
                             std::string* problem) {
  if (!MayEnter(claims, hub)) {
    *problem = "The token is not for this hub: its claim hubs has no name or pattern that fits.";
    return std::nullopt;
  }
  const auto actor = Address::Parse(claims.actor);
  if (!actor.has_value() || actor->bare == kHubAddress) {
    *problem = "The token's claim actorId is no address of an actor.";
    return std::nullopt;
  }
  Grant grant;
  grant.set_actor(actor->bare);
  for (const std::string& glob : claims.actors) {
    if (std::string wrong; !AddressPattern::Parse(glob, AddressPattern::Syntax::kGlob, &wrong).has_value()) {
      *problem = "The token's claim actors has an element that is no pattern of addresses.";
      return std::nullopt;
    }
    grant.add_actors(glob);
  }
  grant.set_capabilities(CapabilitiesGranted(claims.capabilities, options.auth_capabilities == "strict"));
  grant.set_expires_ms(claims.expires_ms);
  grant.set_role(claims.role);
  return grant;
}

// What a token in a message grants; nothing: `*problem` says why not.
std::optional<Grant> Examine(const Call& call, const std::string& token, std::string* problem) {
  TokenAuthority::Verdict verdict = call.authority->Verify(token, call.context.now_ms());
  *problem = std::move(verdict.problem);
  if (!verdict.claims.has_value()) return std::nullopt;
  return GrantOf(*verdict.claims, call.context.hub_name(), call.options, problem);
}

// The grant that hub:connect brings or, where it has no token, that the session has already.
std::optional<Grant> ConnectGrant(const Call& call, std::string* problem) {
  JsonSlice written = call.request.payload.Find("jwt");
  if (IsJsonNothing(written)) written = call.request.metadata.Find("authToken");
  if (IsJsonNothing(written)) {
    if (call.session.has_grant() && call.session.grant().expires_ms() > call.context.now_ms()) {
      return call.session.grant();
    }
    *problem = call.session.has_grant() ? "This session's token has expired." : "hub:connect has no token.";
    return std::nullopt;
  }
  std::optional<Grant> grant = Examine(call, WithoutScheme(JsonString(written).value_or("")), problem);
  if (grant.has_value() && call.session.has_grant() && grant->actor() != call.session.grant().actor()) {
    *problem = "The token is for another actor than this connection was opened for.";
    return std::nullopt;
  }
  return grant;
}

}  // namespace

void KeepIdentity(Context& context, const Connection& connection, const Options& options,
                  const link::Identity& identity) {
  std::string problem;
  const auto grant =
      GrantOf({.actor = identity.actor(),
               .actors = {identity.actors().begin(), identity.actors().end()},
               .capabilities = {identity.capabilities().begin(), identity.capabilities().end()},
               .hubs = {},  // the gateway has looked
               .role = identity.role(),
               .expires_ms = identity.expires_ms()},
              context.hub_name(), options, &problem);
  if (!grant.has_value()) return;  // hub:connect will say why
  Session session = LoadSession(connection);
  *session.mutable_grant() = *grant;
  SaveSession(context, connection.id, session);
}

bool Authenticate(Call& call) {
  if (call.authority == nullptr) return true;
  std::string problem;
  const std::optional<Grant> grant = ConnectGrant(call, &problem);
  if (!grant.has_value()) {
    call.Fail({ErrorCode::kUnauthorized, std::move(problem), kTokenHint});
    if (++call.memory.failed_connects[call.connection.id] == kMaxFailedConnects) {
      call.memory.failed_connects.erase(call.connection.id);
      call.context.Close(call.connection.id, kPolicyViolation, "Too many bad tokens");
    }
    return false;
  }
  call.memory.failed_connects.erase(call.connection.id);
  *call.session.mutable_grant() = *grant;
  if (IsConnected(call.session)) {
    call.session.set_identity(grant->actor());  // it may have connected before tokens were asked for
    SaveSession(call.context, call.connection.id, call.session);
  }
  call.context.Admit(call.connection.id, grant->role());
  return true;
}

const std::string& ConnectingActor(const Call& call) {
  return call.authority != nullptr ? call.session.grant().actor() : call.from->bare;
}

std::string ActorIdentity(const Call& call) {
  return call.authority != nullptr ? call.InClientForm(call.session.grant().actor())
                                   : std::string(call.request.from_json);
}

std::string GrantedCapabilities(const Call& call) {
  return CapabilityNames(call.authority != nullptr ? call.session.grant().capabilities() : kAllCapabilities);
}

void RefreshToken(Call& call) {
  const auto refuse = [&call](std::string problem, const char* resolution) {
    call.Fail({ErrorCode::kInvalidToken, std::move(problem), resolution});
  };
  if (!call.options.auth_refresh) {
    refuse("This hub does not refresh tokens.",
           "Get a new token where you got this one, and send hub:connect with it.");
    return;
  }
  const std::string token = WithoutScheme(JsonString(call.request.payload.Find("token")).value_or(""));
  std::string problem;
  std::optional<Grant> grant = Examine(call, token, &problem);
  if (!grant.has_value()) {
    refuse(std::move(problem),
           "Send payload.token as a token that is still good; without one, get a new one.");
    return;
  }
  if (grant->actor() != call.session.grant().actor()) {
    refuse("The token is for another actor than this session's.",
           "Send a token of this session's own actor.");
    return;
  }
  const std::optional<TokenAuthority::Issued> issued = call.authority->Renew(token, call.context.now_ms());
  if (!issued.has_value()) {
    refuse("This hub issues no tokens: it has no key to sign them with.",
           "Get a new token where you got this one, and send hub:connect with it. To let the hub issue them, "
           "its "
           "operator sets auth-signing-key.");
    return;
  }
  grant->set_expires_ms(issued->expires_ms);
  *call.session.mutable_grant() = *grant;
  SaveSession(call.context, call.connection.id, call.session);
  call.context.Admit(call.connection.id, grant->role());
  call.Answer(JsonWriter().String("token", issued->token).Int("expiresAt", issued->expires_ms).Finish());
}

}  // namespace dormouse::signal
