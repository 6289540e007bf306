#include "gateway/api/api_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <stdexcept>
#include <utility>
#include <vector>

#include "common/auth/secrets.h"
#include "common/clock.h"
#include "common/commands/command_words.h"
#include "common/config/options.h"
#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
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

Wrong ReadConnections(const CommandFields& fields, api::ListConnections* list) {
  uint32_t limit = 0;
  Wrong wrong = FirstOf({fields.Unknown({"after", "limit"}), fields.Text("after", list->mutable_after()),
                         fields.Number("limit", 1, 1'000, &limit)});
  list->set_limit(limit);
  return wrong;
}

Wrong ReadEvict(const CommandFields& fields, api::Evict* evict) {
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
Wrong ReadAnyCommand(std::string_view verb, const CommandFields& fields, api::Command* command) {
  if (verb == "connections") return ReadConnections(fields, command->mutable_connections());
  if (verb == "evict") return ReadEvict(fields, command->mutable_evict());
  return ReadCommand(verb, fields, command);
}

Wrong ReadBatch(const CommandFields& fields, api::Request* request) {
  if (Wrong wrong = fields.Unknown({"commands"}); !wrong.empty()) return wrong;
  const auto elements = JsonElements(fields.Find("commands"), kMostCommands + 1);
  if (!elements || elements->empty() || elements->size() > kMostCommands) {
    return fmt::format("\"commands\" is an array of 1 to {} objects, each with \"verb\" and what that takes.",
                       kMostCommands);
  }
  for (size_t i = 0; i < elements->size(); ++i) {
    const JsonSlice each = (*elements)[i];
    std::string verb;
    Wrong wrong = IsJsonObject(each) ? CommandFields(each).Text("verb", &verb) : "It is no object.";
    if (wrong.empty() && std::ranges::find(kVerbsInBatch, verb) == kVerbsInBatch.end())
      wrong = NoSuchWord("verb in a batch", verb, kVerbsInBatch);
    if (wrong.empty()) {
      const std::string rest = Without(each, "verb");
      wrong = ReadCommand(verb, CommandFields(rest), request->add_commands());
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

// The hub that a backend names, by the name that the project gives it or by its own.
Wrong ReadHub(std::string_view hub_class, std::string name, std::string* hub) {
  if (name.starts_with(kByName)) {
    name = name.substr(kByName.size());
    if (name.empty() || name.size() > kMaxName) return "After name: comes a name of 1 to 256 bytes.";
    name = IdOfName(hub_class, name);
  }
  if (hub_class.empty() || hub_class.size() > kMaxName || !IsValidHubName(name)) {
    return "A hub's name has 1 to 128 characters of a-z, A-Z, 0-9, '.', '_', '~' and '-'; of a Durable Object "
           "that the project finds with idFromName(NAME), say name:NAME.";
  }
  *hub = fmt::format("{}/{}", hub_class, name);
  return "";
}

// What is to be sent, as a backend has said it over gRPC.
Wrong CompleteData(api::Data* data) {
  if (data->has_binary())
    return data->json().empty() && !data->has_text() ? "" : "Send `binary`, or JSON, or `text`.";
  if (data->json().empty() && !data->has_text())
    return "Say what is to be sent with `json`, `text` or `binary`.";
  if (data->json().empty()) {
    data->set_json(JsonQuoted(data->text()));
    return data->text() == JsonString(data->json()) ? "" : "`text` is no UTF-8.";
  }
  if (!IsValidJson(data->json())) return "`json` is not one JSON value in UTF-8.";
  data->clear_text();
  if (auto text = JsonString(data->json())) data->set_text(std::move(*text));
  return "";
}

Wrong CompleteMessage(api::Data* data, const std::string& type) {
  if (data->has_binary()) return "Messages to actors and topics are JSON.";
  return type.empty() ? "It needs a `type`, the application's own name for the message." : CompleteData(data);
}

Wrong CompleteCommand(api::Command* command) {
  switch (command->kind_case()) {
    case api::Command::kCall:
      if (command->call().payload().empty()) command->mutable_call()->set_payload("null");
      return IsValidJson(command->call().payload()) ? "" : "`payload` is not one JSON value in UTF-8.";
    case api::Command::kSend: {
      api::Send* const send = command->mutable_send();
      if (send->to_case() == api::Send::TO_NOT_SET) return "Say to whom with `connection`, `actor` or `tag`.";
      return send->has_actor() ? CompleteMessage(send->mutable_data(), send->type())
                               : CompleteData(send->mutable_data());
    }
    case api::Command::kPublish:
      if (command->publish().topic().empty()) return "Say where to with `topic`.";
      return CompleteMessage(command->mutable_publish()->mutable_data(), command->publish().type());
    case api::Command::kBroadcast:
      return CompleteData(command->mutable_broadcast()->mutable_data());
    case api::Command::kConnections:
      if (command->connections().limit() > 1'000) return "`limit` is at most 1000.";
      return "";
    case api::Command::kDisconnect: {
      api::Disconnect* const disconnect = command->mutable_disconnect();
      if (disconnect->whom_case() == api::Disconnect::WHOM_NOT_SET)
        return "Say whom with `connection`, `actor`, `tag` or `all`.";
      if (disconnect->has_all() && !disconnect->all()) return "`all` can only be true.";
      if (disconnect->code() == 0) disconnect->set_code(1000);
      if (!MayBeSent(disconnect->code())) return "`code` is 1000-1003, 1007-1014 or 3000-4999.";
      return disconnect->reason().size() > kMaxReason ? "`reason` has at most 123 bytes." : "";
    }
    case api::Command::kEvict:
      return "";
    case api::Command::KIND_NOT_SET:
      break;
  }
  return "There is no such command; is the gateway of an older version?";
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
    return refuse(404, "unknown_verb", NoSuchWord("verb", target.verb, kVerbs));
  if (request.method != "POST") {
    refuse(405, "method", "Verbs are asked for with POST.");
    refusal->headers.emplace_back("Allow", "POST");
    return std::nullopt;
  }
  if (Wrong wrong = ReadHub(parts[0], parts[1], &target.hub); !wrong.empty())
    return refuse(400, "bad_request", wrong);
  target.timeout_ms = longest_ms;
  for (std::string_view query = request.query; !query.empty();) {
    std::string_view pair = TakeUntil("&", &query);
    const std::string_view key = TakeUntil("=", &pair);
    if (key != "timeout") return refuse(400, "bad_request", NoSuchWord("parameter", key, {"timeout"}));
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
  Wrong wrong = CommandFields(json.substr(begin)).Text("idempotencyKey", &key);
  if (wrong.empty() && !key.empty() && !target.idempotency_key.empty() && key != target.idempotency_key)
    wrong = "\"idempotencyKey\" and the header Idempotency-Key differ; say it once.";
  if (!key.empty()) request.set_idempotency_key(key);
  const std::string rest = Without(json.substr(begin), "idempotencyKey");
  const CommandFields fields(rest);
  if (wrong.empty()) {
    wrong = target.verb == "batch" ? ReadBatch(fields, &request)
                                   : ReadAnyCommand(target.verb, fields, request.add_commands());
  }
  if (!wrong.empty()) return refuse(wrong);
  return request;
}

std::string CompleteApiRequest(int64_t longest_ms, api::Request* request) {
  const std::string asked = request->hub();
  const size_t slash = std::min(asked.find('/'), asked.size());
  Wrong wrong = ReadHub(std::string_view{asked}.substr(0, slash),
                        slash == asked.size() ? "" : asked.substr(slash + 1), request->mutable_hub());
  if (!wrong.empty()) return wrong;
  const int64_t timeout_ms = request->timeout_ms() == 0 ? longest_ms : request->timeout_ms();
  request->set_timeout_ms(static_cast<uint32_t>(std::min(timeout_ms, longest_ms)));
  if (request->commands_size() == 0 || request->commands_size() > static_cast<int>(kMostCommands))
    return fmt::format("A request has 1 to {} commands.", kMostCommands);
  for (int i = 0; i < request->commands_size(); ++i) {
    wrong = CompleteCommand(request->mutable_commands(i));
    if (wrong.empty()) continue;
    return request->commands_size() == 1 ? wrong : fmt::format("Command {}: {}", i, wrong);
  }
  return "";
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
