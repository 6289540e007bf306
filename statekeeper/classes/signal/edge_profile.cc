#include "statekeeper/classes/signal/edge_profile.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/role_limits.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/messages/message_table.h"
#include "statekeeper/classes/signal/protocol/address.h"
#include "statekeeper/classes/signal/protocol/envelope.h"
#include "statekeeper/classes/signal/protocol/errors.h"
#include "statekeeper/hub/routes.h"

namespace dormouse::signal {
namespace {

constexpr Duration kIdleCheck{1000};
constexpr Duration kAnyTime = std::chrono::years(100);  // to connect in; 0 would be: nobody needs to

// Templates are written by the same code that writes the hub's own frames (protocol/), with holes
// where the edge fills in: \x01 KIND TEXT \x01, where KIND is f (a field of the request), a (the same, an
// address), o (what to write when the field before it is missing), c (the same, where the request's addresses
// are canonical) or v (a value). No JSON that we write has the byte \x01 in it.
constexpr char kMark = '\x01';

std::string Hole(char kind, std::string_view text) {
  std::string hole(1, kMark);
  hole.push_back(kind);
  hole.append(text);
  hole.push_back(kMark);
  return hole;
}
std::string Field(std::string_view path) { return Hole('f', path); }
std::string FieldOr(std::string_view path, std::string_view otherwise) {
  return Field(path) + Hole('o', otherwise);
}
// An address of the request, or this one instead, in the form that the request uses.
std::string AddressOr(std::string_view path, std::string_view otherwise) {
  const Address bare{std::string(otherwise), false};
  const Address canonical{std::string(otherwise), true};
  return Hole('a', path) + Hole('o', bare.ToJson()) + Hole('c', canonical.ToJson());
}
std::string Value(link::Template::Value value) { return Hole('v', link::Template::Value_Name(value)); }

link::Template ToTemplate(std::string_view text) {
  link::Template result;
  bool hole = false;
  while (!text.empty()) {
    const size_t mark = std::min(text.find(kMark), text.size());
    const std::string_view piece = text.substr(0, mark);
    text.remove_prefix(std::min(mark + 1, text.size()));
    if (!hole) {
      if (!piece.empty()) result.add_parts()->set_literal(std::string(piece));
    } else if (piece.front() == 'f' || piece.front() == 'a') {
      link::Template::Part* part = result.add_parts();
      part->set_field(std::string(piece.substr(1)));
      part->set_string_only(piece.front() == 'a');
    } else if (piece.front() == 'o') {
      result.mutable_parts(result.parts_size() - 1)->set_otherwise(std::string(piece.substr(1)));
    } else if (piece.front() == 'c') {
      link::Template::Part* part = result.mutable_parts(result.parts_size() - 1);
      link::StringPrefix* when = part->mutable_variant()->mutable_when();
      when->set_field(part->field() == "to" ? "from" : "to");
      when->set_prefix("@(");
      part->mutable_variant()->set_otherwise(std::string(piece.substr(1)));
    } else {
      link::Template::Value value = link::Template::NONE;
      link::Template::Value_Parse(std::string(piece.substr(1)), &value);
      result.add_parts()->set_value(value);
    }
    hole = !hole;
  }
  return result;
}

// An envelope with holes for its id and time.
link::Template EnvelopeTemplate(std::string_view to, Outgoing outgoing) {
  const std::string id = "\"" + Value(link::Template::NEW_UUID) + "\"";
  const std::string now = Value(link::Template::NOW_MS);
  outgoing.id = id;
  outgoing.timestamp = now;
  return ToTemplate(EnvelopeHead(to) + EnvelopeTail(outgoing));
}

// What OnHubHeartbeat answers. What the edge cannot judge goes to the hub: a frame with a ttl, one without
// addresses. A client that gave no timestamp gets none back.
void AddHeartbeat(link::ClassProfile* profile, bool with_timestamp) {
  link::AutoResponse* rule = profile->add_auto_responses();
  rule->set_type("hub:heartbeat");
  rule->add_absent("ttl");
  for (const char* address : {"from", "to"}) {
    rule->add_require(address);
    rule->add_prefixes()->set_field(address);  // any prefix: a string
  }
  std::string payload = "{";
  if (with_timestamp) {
    rule->add_require("payload.timestamp");
    payload += "\"timestamp\":" + Field("payload.timestamp") + ",";
  } else {
    rule->add_absent("payload.timestamp");
  }
  payload += "\"serverTime\":" + Value(link::Template::NOW_MS) + "}";
  const std::string from = Field("to");
  const std::string correlation_id = FieldOr("id", "null");
  *rule->mutable_reply() = EnvelopeTemplate(
      Field("from"),
      {.type = "hub:heartbeat_ack", .from = from, .payload = payload, .correlation_id = correlation_id});
}

// Without an envelope, for pages that ask no more than whether the path works. What has one is a message.
void AddPing(link::ClassProfile* profile) {
  link::AutoResponse* rule = profile->add_auto_responses();
  rule->set_type("ping");
  for (const char* field : {"from", "to", "id", "payload"}) rule->add_absent(field);
  rule->mutable_reply()->add_parts()->set_literal(R"({"type":"pong"})");
}

// To a request that the hub does not get, in the form that it would answer in.
link::Template Refusal(std::string_view payload) {
  const std::string from = AddressOr("to", kHubAddress);
  const std::string correlation_id = FieldOr("id", "null");
  return EnvelopeTemplate(
      AddressOr("from", kUnknownAddress),
      {.type = "hub:error", .from = from, .payload = payload, .correlation_id = correlation_id});
}

link::Template TooLarge() {
  const std::string actual = Value(link::Template::ACTUAL_SIZE);
  const std::string max = Value(link::Template::MAX_SIZE);
  const std::string payload =
      HubError{ErrorCode::kMessageTooLarge, "The frame is larger than this hub takes.", "",
               JsonWriter()
                   .Raw("actualSize", actual)
                   .Raw("maxSize", max)
                   .Raw("size", actual)
                   .Raw("limit", max)
                   .Finish()}
          .ToPayload();
  return Refusal(payload);
}

link::Template RateLimited() {
  const std::string payload = HubError{ErrorCode::kRateLimited, "This session sends too many messages.", "",
                                       JsonWriter()
                                           .Raw("retryAfter", Value(link::Template::RETRY_AFTER_S))
                                           .Raw("retryAfterMs", Value(link::Template::RETRY_AFTER_MS))
                                           .Raw("limit", Value(link::Template::RATE_LIMIT))
                                           .String("code", "RATE_LIMIT_EXCEEDED")
                                           .Finish()}
                                  .ToPayload();
  return Refusal(payload);
}

}  // namespace

link::ClassProfile EdgeProfile(const Options& options) {
  link::ClassProfile profile;
  profile.set_name("signal");
  AddRoute(&profile, "/ws", "default");
  AddRoute(&profile, "/ws/{name}", "");
  AddRoute(&profile, "/", "default");
  profile.set_binary_is_text(true);
  AddPing(&profile);
  if (options.edge_heartbeats) {
    AddHeartbeat(&profile, /*with_timestamp=*/false);
    AddHeartbeat(&profile, /*with_timestamp=*/true);
  }
  profile.set_idle_timeout_ms(options.SilenceLimit().count());
  profile.set_idle_check_ms(std::min(options.cleanup_interval, kIdleCheck).count());
  profile.set_idle_close_code(1000);
  profile.set_idle_close_reason("Heartbeat timeout");
  profile.set_max_message_size(options.max_message_size);
  *profile.mutable_too_large_reply() = TooLarge();
  profile.set_rate_limit(options.rate_limit);
  profile.set_rate_burst(options.rate_burst);
  for (const MessageType& type : MessageTypes()) {
    if (!type.is_rate_limited) profile.add_rate_exempt_types(std::string(type.type));
  }
  std::string wrong;  // nothing: the options were checked
  for (const RoleLimit& limit :
       ParseRoleLimits(options.role_limits, &wrong).value_or(std::vector<RoleLimit>())) {
    link::RoleLimit* added = profile.add_role_limits();
    added->set_role(limit.role);
    added->set_rate(limit.rate);
    added->set_burst(limit.burst);
  }
  *profile.mutable_rate_limited_reply() = RateLimited();
  if (options.resume_window.count() > 0) {
    profile.set_kept_messages(options.resume_messages);
    profile.set_kept_bytes(options.resume_bytes);
  }
  profile.set_outbound_pause(options.outbound_pause);
  profile.set_outbound_resume(options.outbound_resume);
  profile.set_outbound_limit(options.outbound_limit);
  profile.set_outbound_pause_messages(options.outbound_pause_messages);
  profile.set_outbound_resume_messages(options.outbound_resume_messages);
  if (options.auth_algorithm != "none") {
    const Duration limit = options.connect_timeout.count() > 0 ? options.connect_timeout : kAnyTime;
    profile.set_admission_timeout_ms(limit.count());
    profile.set_admission_close_code(1008);
    profile.set_admission_close_reason("Connect timeout");
  }
  return profile;
}

}  // namespace dormouse::signal
