#include "gateway/api/api_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <stdexcept>
#include <utility>
#include <vector>

#include "common/auth/secrets.h"
#include "common/clock.h"
#include "common/config/options.h"
#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "common/json/strict_json.h"
#include "common/nearest_name.h"
#include "common/percent_decode.h"
#include "common/shard.h"

namespace dormouse {
namespace {

const std::vector<std::string> kVerbs = {"call",        "send",       "publish", "broadcast",
                                         "connections", "disconnect", "evict",   "batch"};
const std::vector<std::string> kVerbsInBatch = {"send", "publish", "broadcast", "disconnect"};
constexpr std::string_view kPrefix = "/api/hubs/";
constexpr std::string_view kByName = "name:";
constexpr size_t kMostCommands = 1'000;
constexpr int64_t kLeastTimeoutMs = 1;
constexpr uint16_t kDefaultCode = 1000;
constexpr size_t kMaxReason = 123;  // RFC 6455, 5.5
constexpr size_t kMaxName = 256;

// How hub names of objects that have a name of the project's follow from that (clients/hubs/js/namespaces/ids.mjs).
std::string IdOfName(std::string_view hub_class, std::string_view name) {
  const auto digest = [&](std::string_view purpose, std::string_view rest) {
    std::string text = fmt::format("dormouse {}", purpose);
    text.push_back('\0');
    text.append(hub_class);
    text.push_back('\0');
    return Sha256(text.append(rest));
  };
  std::string body = '\x01' + digest("name", name).substr(0, 23);
  body += digest("check", body).substr(0, 8);
  std::string hex;
  for (const char c : body) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

std::string NoSuch(std::string_view what, std::string_view word, const std::vector<std::string>& names) {
  const std::string nearest = NearestName(word, names);
  return fmt::format("There is no {} {}; {}", what, word,
                     nearest.empty() ? fmt::format("there are: {}.", fmt::join(names, ", "))
                                     : fmt::format("is it to be {}?", nearest));
}

// A sentence about what is wrong; empty: nothing.
using Wrong = std::string;

// The fields of one command.
class Fields {
 public:
  // `json`: valid.
  explicit Fields(JsonSlice json) : object_(json) {}

  Wrong Unknown(std::initializer_list<std::string> known) const {
    const std::vector<std::string> names(known);
    for (const JsonMember& member : object_.members()) {
      const std::string key = member.key();
      if (std::ranges::find(names, key) == names.end()) return NoSuch("field", key, names);
    }
    return "";
  }
  JsonSlice Find(std::string_view name) const {
    const JsonSlice found = object_.Find(name);
    return IsJsonNothing(found) ? JsonSlice() : found;
  }
  bool Has(std::string_view name) const { return !Find(name).empty(); }
  Wrong Text(std::string_view name, std::string* text) const {
    const JsonSlice found = Find(name);
    if (found.empty()) return "";
    auto said = JsonString(found);
    if (!said) return fmt::format("\"{}\" is not a string.", name);
    *text = std::move(*said);
    return "";
  }
  Wrong Number(std::string_view name, double least, double most, uint32_t* number) const {
    const JsonSlice found = Find(name);
    if (found.empty()) return "";
    const auto said = JsonNumber(found);
    if (!said || !(*said >= least && *said <= most) || *said != static_cast<uint32_t>(*said))
      return fmt::format("\"{}\" is not a whole number from {} to {}.", name, least, most);
    *number = static_cast<uint32_t>(*said);
    return "";
  }

 private:
  const JsonObject object_;
};

// The first that is wrong.
Wrong FirstOf(std::initializer_list<Wrong> wrongs) {
  const auto* const found = std::ranges::find_if(wrongs, [](const Wrong& wrong) { return !wrong.empty(); });
  return found == wrongs.end() ? "" : *found;
}

std::optional<std::string> DecodeBase64(std::string text) {
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return DecodeBase64Url(text);
}

Wrong ReadData(const Fields& fields, bool may_be_binary, api::Data* data) {
  std::string base64;
  if (Wrong wrong = fields.Text("base64", &base64); !wrong.empty()) return wrong;
  const JsonSlice json = fields.Find("data");
  if (fields.Has("base64") == !json.empty() || (!may_be_binary && fields.Has("base64"))) {
    return may_be_binary
               ? "Say what is to be sent with \"data\", any JSON (of a string, its text is the frame), or "
                 "with \"base64\", a binary frame."
               : "Say what is to be sent with \"data\", any JSON.";
  }
  if (json.empty()) {
    auto bytes = DecodeBase64(base64);
    if (!bytes) return "\"base64\" is not base64.";
    data->set_binary(std::move(*bytes));
    return "";
  }
  data->set_json(std::string(json));
  if (auto text = JsonString(json)) data->set_text(std::move(*text));
  return "";
}

// Exactly one of the names is there.
Wrong OneOf(const Fields& fields, const std::vector<std::string>& names, std::string_view what) {
  const auto count = std::ranges::count_if(names, [&](const std::string& name) { return fields.Has(name); });
  return count == 1 ? "" : fmt::format("Say {} with one of {}.", what, fmt::join(names, ", "));
}

Wrong ReadSend(const Fields& fields, api::Send* send) {
  Wrong wrong =
      FirstOf({fields.Unknown({"connection", "actor", "tag", "data", "base64", "type", "from"}),
               OneOf(fields, {"connection", "actor", "tag"}, "to whom"),
               ReadData(fields, !fields.Has("actor"), send->mutable_data()),
               fields.Text("type", send->mutable_type()), fields.Text("from", send->mutable_from())});
  if (!wrong.empty()) return wrong;
  if (fields.Has("connection")) return fields.Text("connection", send->mutable_connection());
  if (fields.Has("tag")) return fields.Text("tag", send->mutable_tag());
  if (send->type().empty()) return "A message to an actor needs \"type\", the application's own name for it.";
  return fields.Text("actor", send->mutable_actor());
}

Wrong ReadPublish(const Fields& fields, api::Publish* publish) {
  Wrong wrong = FirstOf(
      {fields.Unknown({"topic", "data", "type", "from"}), fields.Text("topic", publish->mutable_topic()),
       ReadData(fields, false, publish->mutable_data()), fields.Text("type", publish->mutable_type()),
       fields.Text("from", publish->mutable_from())});
  if (!wrong.empty()) return wrong;
  if (publish->topic().empty()) return "Say where to with \"topic\".";
  if (publish->type().empty())
    return "A publication needs \"type\", the application's own name for the message.";
  return "";
}

Wrong ReadBroadcast(const Fields& fields, api::Broadcast* broadcast) {
  return FirstOf(
      {fields.Unknown({"data", "base64", "type", "from", "except"}),
       ReadData(fields, true, broadcast->mutable_data()), fields.Text("type", broadcast->mutable_type()),
       fields.Text("from", broadcast->mutable_from()), fields.Text("except", broadcast->mutable_except())});
}

Wrong ReadConnections(const Fields& fields, api::ListConnections* list) {
  uint32_t limit = 0;
  Wrong wrong = FirstOf({fields.Unknown({"after", "limit"}), fields.Text("after", list->mutable_after()),
                         fields.Number("limit", 1, 1'000, &limit)});
  list->set_limit(limit);
  return wrong;
}

// RFC 6455, 7.4: what an endpoint may send, less what only a handshake or TLS could mean.
bool MayBeSent(uint32_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

Wrong ReadDisconnect(const Fields& fields, api::Disconnect* disconnect) {
  uint32_t code = kDefaultCode;
  Wrong wrong = FirstOf({fields.Unknown({"connection", "actor", "tag", "all", "code", "reason"}),
                         OneOf(fields, {"connection", "actor", "tag", "all"}, "whom"),
                         fields.Number("code", 1000, 4999, &code),
                         fields.Text("reason", disconnect->mutable_reason())});
  if (!wrong.empty()) return wrong;
  if (!MayBeSent(code)) return "\"code\" is 1000-1003, 1007-1014 or 3000-4999.";
  disconnect->set_code(code);
  if (disconnect->reason().size() > kMaxReason) return "\"reason\" has at most 123 bytes.";
  if (fields.Has("connection")) return fields.Text("connection", disconnect->mutable_connection());
  if (fields.Has("actor")) return fields.Text("actor", disconnect->mutable_actor());
  if (fields.Has("tag")) return fields.Text("tag", disconnect->mutable_tag());
  disconnect->set_all(true);
  return fields.Find("all") == "true" ? "" : "\"all\" can only be true.";
}

Wrong ReadEvict(const Fields& fields, api::Evict* evict) {
  std::string mode = "sleep";
  if (Wrong wrong = FirstOf({fields.Unknown({"mode"}), fields.Text("mode", &mode)}); !wrong.empty())
    return wrong;
  if (mode != "sleep" && mode != "close") {
    return "\"mode\" is sleep, by which the hub's sockets stay open, or close, by which they are closed with 1001.";
  }
  evict->set_close(mode == "close");
  return "";
}

// `json`: a valid object, or nothing, which is as good as an empty one.
Wrong ReadCommand(std::string_view verb, const Fields& fields, api::Command* command) {
  if (verb == "send") return ReadSend(fields, command->mutable_send());
  if (verb == "publish") return ReadPublish(fields, command->mutable_publish());
  if (verb == "broadcast") return ReadBroadcast(fields, command->mutable_broadcast());
  if (verb == "connections") return ReadConnections(fields, command->mutable_connections());
  if (verb == "disconnect") return ReadDisconnect(fields, command->mutable_disconnect());
  return ReadEvict(fields, command->mutable_evict());
}

// An object without one of its members.
std::string Without(JsonSlice json, std::string_view name) {
  const JsonObject object(json);
  JsonWriter rest;
  for (const JsonMember& member : object.members()) {
    if (!member.IsCalled(name)) rest.RawMember(member.quoted_key, member.value);
  }
  return rest.Finish();
}

Wrong ReadBatch(const Fields& fields, api::Request* request) {
  if (Wrong wrong = fields.Unknown({"commands"}); !wrong.empty()) return wrong;
  const auto elements = JsonElements(fields.Find("commands"), kMostCommands + 1);
  if (!elements || elements->empty() || elements->size() > kMostCommands) {
    return fmt::format("\"commands\" is an array of 1 to {} objects, each with \"verb\" and what that takes.",
                       kMostCommands);
  }
  for (size_t i = 0; i < elements->size(); ++i) {
    const JsonSlice each = (*elements)[i];
    std::string verb;
    Wrong wrong = IsJsonObject(each) ? Fields(each).Text("verb", &verb) : "It is no object.";
    if (wrong.empty() && std::ranges::find(kVerbsInBatch, verb) == kVerbsInBatch.end())
      wrong = NoSuch("verb in a batch", verb, kVerbsInBatch);
    if (wrong.empty()) {
      const std::string rest = Without(each, "verb");
      wrong = ReadCommand(verb, Fields(rest), request->add_commands());
    }
    if (!wrong.empty()) return fmt::format("Command {}: {}", i, wrong);
  }
  return "";
}

std::string ResultJson(const api::Result& result) {
  switch (result.kind_case()) {
    case api::Result::kSent:
      return JsonWriter()
          .Int("sent", static_cast<int64_t>(result.sent().sent()))
          .Int("queued", static_cast<int64_t>(result.sent().queued()))
          .Int("failed", static_cast<int64_t>(result.sent().failed()))
          .Finish();
    case api::Result::kDisconnected:
      return JsonWriter().Int("disconnected", result.disconnected()).Finish();
    case api::Result::kEvicted:
      return JsonWriter().Bool("evicted", result.evicted()).Finish();
    case api::Result::kConnections: {
      const api::ConnectionPage& page = result.connections();
      std::string list = "[";
      for (const api::Connection& each : page.connections()) {
        std::string tags = "[";
        for (const std::string& tag : each.tags())
          tags.append(tags.size() > 1 ? "," : "").append(JsonQuoted(tag));
        JsonWriter connection;
        connection.String("id", each.id())
            .String("connectedAt", Iso8601(each.connected_ms()))
            .String("lastSeenAt", Iso8601(each.last_seen_ms()))
            .Raw("tags", tags + "]");
        if (!each.actor().empty()) connection.String("actor", each.actor());
        list.append(list.size() > 1 ? "," : "").append(connection.Finish());
      }
      const bool more = page.more() && !page.connections().empty();
      return JsonWriter()
          .Raw("connections", list + "]")
          .Raw("next", more ? JsonQuoted(page.connections().rbegin()->id()) : "null")
          .Int("count", static_cast<int64_t>(page.count()))
          .Finish();
    }
    case api::Result::kPayload:
    case api::Result::KIND_NOT_SET:
      break;
  }
  return "{}";
}

struct ErrorWord {
  int status;
  std::string_view code;
};
ErrorWord WordOf(api::Error::Code code) {
  switch (code) {
    case api::Error::BAD_REQUEST:
      return {400, "bad_request"};
    case api::Error::UNKNOWN_CLASS:
      return {404, "unknown_class"};
    case api::Error::REFUSED:
      return {422, "refused"};
    case api::Error::TOO_MUCH:
      return {422, "too_much"};
    case api::Error::STORE_AWAY:
      return {503, "store_away"};
    case api::Error::BUSY:
      return {503, "busy"};
    case api::Error::TIMEOUT:
      return {504, "timeout"};
    case api::Error::KEY_REUSED:
      return {422, "key_reused"};
    case api::Error::KEY_IN_USE:
      return {409, "key_in_use"};
    case api::Error::ANSWER_NOT_KEPT:
      return {410, "answer_not_kept"};
    case api::Error::LOST:
      return {503, "lost"};
    default:
      return {500, "hub_failed"};
  }
}

HttpReply Refusal(int status, std::string_view code, std::string_view sentence, bool retryable,
                  bool unknown) {
  HttpReply reply{.status = status, .content_type = "application/json"};
  reply.body = JsonWriter()
                   .Raw("error", JsonWriter()
                                     .String("code", code)
                                     .String("message", sentence)
                                     .Bool("retryable", retryable)
                                     .Bool("mayHaveHappened", unknown)
                                     .Finish())
                   .Finish() +
               "\n";
  if (status == 429 || status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

HttpReply Repeated(HttpReply out, const api::Reply& reply) {
  if (reply.repeated_()) out.headers.emplace_back("Idempotency-Replayed", "true");
  return out;
}

// What the hosts of hubs in other languages reply: {"value": V}, or {"error": {"type": ..., "message": ...}}.
struct HostReply {
  std::string value;  // JSON
  std::optional<std::string> error;
};
HostReply Unwrapped(const std::string& payload) {
  HostReply reply{payload.empty() ? "null" : payload, std::nullopt};
  const JsonObject object(payload);
  if (object.members().size() != 1) return reply;
  const JsonMember& only = object.members().front();
  if (only.IsCalled("value")) {
    reply.value = std::string(only.value);
  } else if (only.IsCalled("error")) {
    const JsonObject error(only.value);
    const auto message = JsonString(error.Find("message"));
    if (message)
      reply.error = fmt::format("{}: {}", JsonString(error.Find("type")).value_or("Error"), *message);
  }
  return reply;
}

}  // namespace

HttpReply ApiRefusal(int status, std::string_view code, std::string_view sentence) {
  return Refusal(status, code, sentence, status == 429 || status == 503, false);
}

HttpReply ApiErrorReply(const api::Error& error) {
  const ErrorWord word = WordOf(error.code());
  std::string sentence = error.message();
  if (error.unknown()) {
    sentence +=
        " It may have been carried out; with an Idempotency-Key it can be asked again without being done twice.";
  }
  return Refusal(word.status, word.code, sentence, error.retryable(), error.unknown());
}

std::optional<ApiTarget> ReadApiTarget(const HttpRequest& request, int64_t longest_ms, HttpReply* refusal) {
  const auto refuse = [&](int status, std::string_view code, const std::string& sentence) {
    *refusal = ApiRefusal(status, code, sentence);
    return std::nullopt;
  };
  std::string_view path = request.path;
  if (!path.starts_with(kPrefix))
    return refuse(404, "not_found", "Here is POST /api/hubs/CLASS/NAME/VERB and nothing else.");
  path.remove_prefix(kPrefix.size());
  std::vector<std::string> parts;
  while (true) {
    const auto part = PercentDecode(path.substr(0, path.find('/')));
    if (!part) return refuse(400, "bad_request", "The path has a % that begins no encoded character.");
    parts.push_back(*part);
    if (path.find('/') == std::string_view::npos) break;
    path.remove_prefix(path.find('/') + 1);
  }
  if (parts.size() != 3 || parts[0].empty())
    return refuse(404, "not_found", "The path is /api/hubs/CLASS/NAME/VERB.");
  ApiTarget target;
  target.verb = parts[2];
  if (std::ranges::find(kVerbs, target.verb) == kVerbs.end())
    return refuse(404, "unknown_verb", NoSuch("verb", target.verb, kVerbs));
  if (request.method != "POST") {
    refuse(405, "method", "Verbs are asked for with POST.");
    refusal->headers.emplace_back("Allow", "POST");
    return std::nullopt;
  }
  std::string name = parts[1];
  if (name.starts_with(kByName)) {
    name = name.substr(kByName.size());
    if (name.empty() || name.size() > kMaxName)
      return refuse(400, "bad_request", "After name: comes a name of 1 to 256 bytes.");
    name = IdOfName(parts[0], name);
  }
  if (!IsValidHubName(name) || parts[0].size() > kMaxName) {
    return refuse(
        400, "bad_request",
        "A hub's name has 1 to 128 characters of a-z, A-Z, 0-9, '.', '_', '~' and '-'; of a Durable Object "
        "that the project finds with idFromName(NAME), say name:NAME.");
  }
  target.hub = parts[0] + "/" + name;
  target.timeout_ms = longest_ms;
  for (std::string_view query = request.query; !query.empty();) {
    std::string_view pair = TakeUntil("&", &query);
    const std::string_view key = TakeUntil("=", &pair);
    if (key != "timeout") return refuse(400, "bad_request", NoSuch("parameter", key, {"timeout"}));
    try {
      target.timeout_ms =
          std::clamp<int64_t>(ParseDuration(std::string(pair)).count(), kLeastTimeoutMs, longest_ms);
    } catch (const std::invalid_argument& error) {
      return refuse(400, "bad_request", fmt::format("timeout: {}.", error.what()));
    }
  }
  target.idempotency_key = std::string(request.Header("idempotency-key").value_or(""));
  if (request.Header("idempotency-key") && target.idempotency_key.empty())
    return refuse(400, "bad_request", "The header Idempotency-Key is empty.");
  return target;
}

std::optional<api::Request> ReadApiRequest(const ApiTarget& target, std::string_view body,
                                           HttpReply* refusal) {
  const auto refuse = [&](std::string_view sentence) {
    *refusal = ApiRefusal(400, "bad_request", sentence);
    return std::nullopt;
  };
  const std::string_view json = body.find_first_not_of(" \t\r\n") == std::string_view::npos ? "{}" : body;
  if (!IsValidJson(json)) return refuse("The body is not one JSON value in UTF-8.");
  api::Request request;
  request.set_hub(target.hub);
  request.set_idempotency_key(target.idempotency_key);
  request.set_timeout_ms(static_cast<uint32_t>(target.timeout_ms));
  const size_t begin = json.find_first_not_of(" \t\r\n");
  if (target.verb == "call") {
    request.add_commands()->mutable_call()->set_payload(std::string(json.substr(begin)));
    return request;
  }
  if (json[begin] != '{') return refuse("The body is not a JSON object.");
  std::string key;
  Wrong wrong = Fields(json.substr(begin)).Text("idempotencyKey", &key);
  if (wrong.empty() && !key.empty() && !target.idempotency_key.empty() && key != target.idempotency_key)
    wrong = "\"idempotencyKey\" and the header Idempotency-Key differ; say it once.";
  if (!key.empty()) request.set_idempotency_key(key);
  const std::string rest = Without(json.substr(begin), "idempotencyKey");
  const Fields fields(rest);
  if (wrong.empty()) {
    wrong = target.verb == "batch" ? ReadBatch(fields, &request)
                                   : ReadCommand(target.verb, fields, request.add_commands());
  }
  if (!wrong.empty()) return refuse(wrong);
  return request;
}

HttpReply ApiReplyOf(std::string_view verb, const api::Reply& reply) {
  if (reply.has_error()) return ApiErrorReply(reply.error());
  HttpReply out{.status = 200, .content_type = "application/json"};
  if (verb == "batch") {
    std::string results = "[";
    for (const api::Result& result : reply.results())
      results.append(results.size() > 1 ? "," : "").append(ResultJson(result));
    out.body = JsonWriter().Raw("results", results + "]").Finish();
  } else if (reply.results_size() != 1) {
    return ApiRefusal(500, "hub_failed", "The hub's statekeeper has answered something else.");
  } else if (reply.results(0).has_payload() && !reply.results(0).payload().empty() &&
             !IsValidJson(reply.results(0).payload())) {
    return Refusal(500, "hub_failed", "The hub has carried it out, and what it has replied is not JSON.",
                   false, true);
  } else if (reply.results(0).has_payload()) {
    const HostReply said = Unwrapped(reply.results(0).payload());
    if (said.error) return Repeated(Refusal(500, "hub_failed", *said.error, false, true), reply);
    out.body = JsonWriter().Raw("result", said.value).Finish();
  } else {
    out.body = ResultJson(reply.results(0));
  }
  out.body += "\n";
  return Repeated(std::move(out), reply);
}

}  // namespace dormouse
