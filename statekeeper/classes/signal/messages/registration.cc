// Registrations: register, renew, unregister; and the hand-over of an address from one session to another.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/auth/secrets.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/delivery/flow_control.h"
#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/messages/permissions.h"
#include "statekeeper/classes/signal/registry/presence.h"
#include "statekeeper/classes/signal/registry/registry.h"
#include "statekeeper/classes/signal/registry/subscriptions.h"
#include "statekeeper/classes/signal/sessions/mail_inheritance.h"
#include "statekeeper/classes/signal/sessions/session_end.h"

namespace dormouse::signal {
namespace {

constexpr int64_t kMinTtlMs = 1000;
// Capabilities and metadata of one registration: a page of a listing carries up to a thousand of them.
constexpr size_t kMaxDescription = 16 << 10;
constexpr size_t kTokenBytes = 16;

constexpr const char* kAddressHint = "Send payload.actorAddress as \"runtime/name\" or \"@(runtime/name)\".";

// A token says whose it is, so that a renewal finds its registration by it: SECRET.ADDRESS.
std::string NewToken(const std::string& address) { return NewSecretHex(kTokenBytes) + "." + address; }

// How many tokens of one registration are good. There are several when a change that was answered comes
// again, each time with another answer, all but one of which are lost: once for each process that ends just
// then.
constexpr int kGoodTokens = 8;

// Another token, beside those that are good already.
std::string AddToken(const std::string& address, Registration* registration) {
  std::string token = NewToken(address);
  auto& hashes = *registration->mutable_token_hash();
  hashes.Add(Sha256(token));
  while (hashes.size() > kGoodTokens) hashes.erase(hashes.begin());
  return token;
}

bool IsGoodToken(const std::string& hash, const Registration& registration) {
  return std::ranges::any_of(registration.token_hash(),
                             [&](const std::string& good) { return SameSecret(hash, good); });
}

std::string AddressInToken(const std::string& token) {
  const size_t dot = token.find('.');
  return dot == token.npos ? "" : token.substr(dot + 1);
}

std::string StringOf(JsonSlice value) { return JsonString(value).value_or(""); }

// payload.ttl (ms) or payload.ttlSeconds, clamped. False: refused.
bool ReadTtl(Call& call, int64_t default_ms, int64_t* ttl_ms) {
  const JsonSlice in_ms = call.request.payload.Find("ttl");
  const JsonSlice in_s = call.request.payload.Find("ttlSeconds");
  double wanted = static_cast<double>(default_ms);
  if (!IsJsonNothing(in_ms) || !IsJsonNothing(in_s)) {
    const bool seconds = IsJsonNothing(in_ms);
    const std::optional<double> number = JsonNumber(seconds ? in_s : in_ms);
    if (!number.has_value()) {
      call.FailBadPayload("The time to live is not a number.",
                          "Send payload.ttl in milliseconds, or payload.ttlSeconds, as a number.");
      return false;
    }
    wanted = seconds ? *number * 1000 : *number;
  }
  const int64_t max_ms = std::max<int64_t>(call.options.max_actor_ttl.count(), kMinTtlMs);
  *ttl_ms =
      static_cast<int64_t>(std::clamp(wanted, static_cast<double>(kMinTtlMs), static_cast<double>(max_ms)));
  return true;
}

// The address that a register or unregister is about.
std::optional<Address> ReadActorAddress(Call& call) {
  std::optional<Address> address = Address::Parse(StringOf(call.request.payload.Find("actorAddress")));
  if (!address.has_value())
    call.FailBadPayload("payload.actorAddress is missing or no address.", kAddressHint);
  return address;
}

// payload.capabilities and payload.metadata. False: refused.
bool ReadDescription(Call& call, Registration* registration) {
  const JsonSlice capabilities = call.request.payload.Find("capabilities");
  const JsonSlice metadata = call.request.payload.Find("metadata");
  // One element needs two bytes; what is too large is not read.
  const auto elements = JsonElements(capabilities, kMaxDescription / 2);
  const bool strings = elements.has_value() && std::ranges::all_of(*elements, IsJsonString);
  if (IsJsonNothing(capabilities) ? call.legacy() : !strings || (call.legacy() && elements->empty())) {
    call.FailBadPayload("payload.capabilities is not what it should be.",
                        R"(Send payload.capabilities as an array of strings, such as ["render"]; )"
                        "in protocol 0.1 with at least one.");
    return false;
  }
  if (!IsJsonNothing(metadata) && !IsJsonObject(metadata)) {
    call.FailBadPayload("payload.metadata is not an object.",
                        "Send payload.metadata as an object, or leave it out.");
    return false;
  }
  if (const size_t size = capabilities.size() + metadata.size(); size > kMaxDescription) {
    call.Fail({ErrorCode::kMessageTooLarge, "The capabilities and metadata of a registration are too large.",
               "",
               JsonWriter()
                   .Int("actualSize", static_cast<int64_t>(size))
                   .Int("maxSize", kMaxDescription)
                   .Int("size", static_cast<int64_t>(size))
                   .Int("limit", kMaxDescription)
                   .Finish()});
    return false;
  }
  if (elements.has_value()) {
    for (const JsonSlice element : *elements) registration->add_capabilities(*JsonString(element));
  }
  registration->set_metadata(IsJsonNothing(metadata) ? "{}" : std::string(metadata));
  return true;
}

// The same whenever the event comes again.
int64_t ExpiryOf(const Registry& registry, const Registration& registration) {
  return registry.NeedsRenewal(registration.ttl_ms()) ? registration.expires_ms()
                                                      : registration.changed_ms() + registration.ttl_ms();
}

void ReplyRegistered(Call& call, const Registration& registration, const std::string& token) {
  const Registry registry(call.context, call.memory);
  call.Answer(JsonWriter()
                  .Raw("actorAddress", call.request.payload.Find("actorAddress"))
                  .String("renewalToken", token)
                  .Int("expiresAt", ExpiryOf(registry, registration))
                  .Int("version", registration.version())
                  .Bool("renewalNeeded", registry.NeedsRenewal(registration.ttl_ms()))
                  .Finish());
}

void ReplyRenewed(Call& call, const std::string& address, const Registration& registration,
                  const std::string& token) {
  const JsonSlice written = call.request.payload.Find("actorAddress");
  const Registry registry(call.context, call.memory);
  call.Answer(
      JsonWriter()
          .Raw("actorAddress", IsJsonString(written) ? std::string(written) : call.InClientForm(address))
          .Int("expiresAt", ExpiryOf(registry, registration))
          .String("renewalToken", token)
          .String("newRenewalToken", token)
          .Bool("renewalNeeded", registry.NeedsRenewal(registration.ttl_ms()))
          .Finish());
}

void FailNotOwn(const Call& call) {
  call.Fail({ErrorCode::kUnauthorized, "This address is registered by another session."});
}

// Tells the client that has the address, if it has a socket.
void TellLoser(Call& call, const Address& address, const Registration& old) {
  const std::string self = Address{std::string(kHubAddress), old.canonical()}.ToJson();
  const std::string payload = JsonWriter()
                                  .String("reason", "duplicate_connection")
                                  .String("message", "Another session registered " + address.bare + ".")
                                  .Finish();
  const std::string frame =
      EnvelopeHead(Address{address.bare, old.canonical()}.ToJson()) +
      NewEnvelopeTail({.type = "hub:disconnect", .from = self, .payload = payload}, call.context.now_ms());
  call.context.Send(ConnectionOf(old), Message::Text(frame));
}

// What waits for the actor's older session, of the same identity, goes to this one. True: it is still on its
// way, and so is the answer to this request (MailInheritance::AwaitMail).
bool AwaitsMail(Call& call, const Address& address, const Registration& old) {
  MailInheritance inheritance(call.sessions());
  if (Registry(call.context, call.memory).IsOnline(old)) {
    TellLoser(call, address, old);
    inheritance.LoseSocket(ConnectionOf(old));
  }
  return inheritance.AwaitMail(ConnectionOf(old), call.connection.id, call.raw);
}

// The address has a new session: its subscriptions go there, and the old session ends, unless it is to be
// inherited.
void HandOver(Call& call, const Address& address, const Registration& old, bool inherits) {
  const ConnectionId loser = ConnectionOf(old);
  Subscriptions(call.context).Move(address.bare, loser, call.connection.id);
  Registry(call.context, call.memory).Remove(address.bare, old);
  if (inherits) return;
  SessionEnd(call.sessions()).EndAt(loser);
  TellLoser(call, address, old);
  FlowControl(call.context, call.memory.congestion).OnEnd(loser);
  call.context.Close(loser, kNormalClosure, "Duplicate connection");
}

}  // namespace

void OnHubRegister(Call& call) {
  const std::optional<Address> address = ReadActorAddress(call);
  if (!address.has_value()) return;
  if (address->bare == kHubAddress) {
    call.Fail({ErrorCode::kUnauthorized, "This address is the hub's own.", "Register another address."});
    return;
  }
  if (!MayActFor(call, address->bare)) return;
  Registration registration;
  int64_t ttl_ms = 0;
  if (!ReadDescription(call, &registration) || !ReadTtl(call, call.options.actor_ttl.count(), &ttl_ms)) {
    return;
  }

  Registry registry(call.context, call.memory);
  std::optional<Registration> old = registry.FindEvenExpired(address->bare);
  const bool alive = old.has_value() && registry.IsAlive(*old);
  const bool mine = old.has_value() && ConnectionOf(*old) == call.connection.id;
  if (alive && mine && call.request.id != "null" && old->request_id() == call.request.id &&
      old->changed_ms() == call.arrived_ms) {
    // The same event again: the answer as it was, but for the token, which nobody knows any more. The client
    // gets one of the two answers.
    Registration again = *old;
    const std::string token = AddToken(address->bare, &again);
    registry.Put(address->bare, again, old);
    ReplyRegistered(call, again, token);
    return;
  }
  if (!old.has_value() && registry.row_count() >= call.options.max_actors) {
    call.Fail(LimitError("REGISTRY_FULL", call.options.max_actors, "The registry of this hub is full.",
                         "Wait until registrations expire, or use another hub."));
    return;
  }
  // Also of one that has expired meanwhile: what was sent before still waits.
  const ConnectionId loser = old.has_value() ? ConnectionOf(*old) : ConnectionId{};
  const bool inherits =
      old.has_value() && !mine && MailInheritance(call.sessions()).MayInherit(loser, call.session);
  if (inherits && AwaitsMail(call, *address, *old)) return;
  const bool was_online = alive && registry.IsOnline(*old);
  registration.set_connection(call.connection.id.ToBytes());
  registration.set_canonical(address->canonical);
  registration.set_registered_ms(call.context.now_ms());
  registry.SetTtl(ttl_ms, call.session, &registration);
  registration.set_version(alive ? old->version() + 1 : 1);
  if (alive && mine && call.repeated) {
    // What came after this event may have been answered already, and comes again.
    *registration.mutable_token_hash() = old->token_hash();
    if (!old->used_token_hash().empty()) registration.add_token_hash(old->used_token_hash());
  }
  const std::string token = AddToken(address->bare, &registration);
  registration.set_changed_ms(call.arrived_ms);
  registration.set_request_id(std::string(call.request.id));
  registration.set_takes_no_messages(!MayReceive(call));

  if (inherits || (alive && !mine)) {
    HandOver(call, *address, *old, inherits);
    old.reset();  // its rows went with the old session
  }
  registry.Put(address->bare, registration, old);
  if (!call.session.has_rows() || call.session.registered() != address->bare) {
    call.session.set_has_rows(true);
    call.session.set_registered(address->bare);
    SaveSession(call.context, call.connection.id, call.session);
  }
  ReplyRegistered(call, registration, token);
  if (!was_online) Presence(call.context, call.memory).Tell(address->bare, Presence::Change::kJoined);
  if (inherits) {
    MailInheritance(call.sessions()).HandMail(loser, call.connection.id);
  }
}

void OnHubRenew(Call& call) {
  std::string presented = StringOf(call.request.payload.Find("renewalToken"));
  if (presented.empty()) presented = StringOf(call.request.metadata.Find("renewalToken"));
  if (presented.empty()) {
    call.FailBadPayload("There is no renewal token.",
                        "Send payload.renewalToken as hub:registered or hub:renewed gave it last.");
    return;
  }
  const std::string address = AddressInToken(presented);
  const std::string hash = Sha256(presented);
  Registry registry(call.context, call.memory);
  const std::optional<Registration> old = Address::Parse(address) ? registry.Find(address) : std::nullopt;
  const JsonSlice named = call.request.payload.Find("actorAddress");
  const std::optional<Address> named_address = Address::Parse(StringOf(named));
  const bool names_it = IsJsonNothing(named) || (named_address.has_value() && named_address->bare == address);
  if (old.has_value() && names_it && old->changed_ms() == call.arrived_ms &&
      SameSecret(hash, old->used_token_hash())) {
    Registration again = *old;  // the same event again: as in OnHubRegister
    const std::string token = AddToken(address, &again);
    registry.Put(address, again, old);
    ReplyRenewed(call, address, again, token);
    return;
  }
  const std::string& meant = named_address.has_value() ? named_address->bare : address;
  if (!call.legacy() && Address::Parse(meant).has_value() && !registry.Find(meant).has_value()) {
    call.Fail({ErrorCode::kUnknownActor, "No actor is registered under the address that is to be renewed.",
               "Register again with hub:register, and keep the token of the last answer."});
    return;
  }
  if (!old.has_value() || !names_it || !IsGoodToken(hash, *old)) {
    call.Fail(
        {ErrorCode::kUnauthorized,
         "The renewal token is wrong, used already, or its registration has expired.",
         "Register again with hub:register, and keep the token of the last hub:registered or hub:renewed."});
    return;
  }
  if (!MayActFor(call, address)) return;
  if (call.authority != nullptr && !IsOwn(call, address, ConnectionOf(*old))) {
    FailNotOwn(call);
    return;
  }
  Registration renewed = *old;
  int64_t ttl_ms = 0;
  if (!ReadTtl(call, old->ttl_ms(), &ttl_ms)) return;
  registry.SetTtl(ttl_ms, call.session, &renewed);
  renewed.set_used_token_hash(hash);
  if (!call.repeated) renewed.clear_token_hash();
  const std::string token = AddToken(address, &renewed);
  renewed.set_changed_ms(call.arrived_ms);
  renewed.clear_request_id();
  registry.Put(address, renewed, old);
  ReplyRenewed(call, address, renewed, token);
}

void OnHubUnregister(Call& call) {
  const std::optional<Address> address = ReadActorAddress(call);
  if (!address.has_value()) return;
  if (!MayActFor(call, address->bare)) return;
  Registry registry(call.context, call.memory);
  if (const auto registration = registry.FindEvenExpired(address->bare)) {
    const ConnectionId owner = ConnectionOf(*registration);
    const bool mine = IsOwn(call, address->bare, owner);
    if (registry.IsAlive(*registration) && !mine) {
      FailNotOwn(call);
      return;
    }
    if (mine) {
      const bool seen = registry.IsAlive(*registration);
      registry.Remove(address->bare, *registration);
      if (seen) Presence(call.context, call.memory).Tell(address->bare, Presence::Change::kLeft);
      Subscriptions(call.context).RemoveAllOf(owner, address->bare);
    }
  }
  if (call.session.registered() == address->bare) {
    call.session.clear_registered();
    SaveSession(call.context, call.connection.id, call.session);
  }
  if (!call.WantsAnswer()) return;
  call.Answer(JsonWriter()
                  .Raw("actorAddress", call.request.payload.Find("actorAddress"))
                  .Int("unregisteredAt", call.context.now_ms())
                  .Finish());
}

bool HasRegistered(Call& call, const std::string& address) {
  const auto registration = Registry(call.context, call.memory).FindEvenExpired(address);
  return registration.has_value() && ConnectionOf(*registration) == call.connection.id;
}

Address ActingActor(Call& call) {
  const Address& from = *call.from;
  if (call.session.registered().empty() || call.session.registered() == from.bare) return from;
  if (HasRegistered(call, from.bare)) return from;
  return {call.session.registered(), from.canonical};
}

}  // namespace dormouse::signal
