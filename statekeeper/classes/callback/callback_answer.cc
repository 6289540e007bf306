#include "statekeeper/classes/callback/callback_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/json/json_reader.h"

namespace dormouse {
namespace {

const std::vector<std::string> kVerbs = {"send", "broadcast", "disconnect", "put", "delete", "tag", "alarm"};
constexpr size_t kMostCommands = 1'000;
constexpr size_t kLongestKey = 128;
constexpr size_t kMostTags = 10;
constexpr size_t kLongestTag = 256;
constexpr double kLatestMs = 8.64e15;  // of a Date in JavaScript

Wrong ReadId(const std::string& text, ConnectionId* id) {
  const auto parsed = ConnectionId::Parse(text);
  if (!parsed) return "\"connection\" is none that an event has named.";
  *id = *parsed;
  return "";
}

Wrong ReadKey(const CommandFields& fields, std::string* key) {
  if (Wrong wrong = fields.Text("key", key); !wrong.empty()) return wrong;
  const bool good = !key->empty() && key->size() <= kLongestKey && key->find('\0') == std::string::npos;
  return good ? "" : fmt::format("\"key\" has 1 to {} bytes, none of them zero.", kLongestKey);
}

Wrong ReadPut(const CommandFields& fields, CallbackAnswer::Put* put) {
  put->json = std::string(fields.Find("value"));
  if (put->json.empty()) return "\"value\" is any JSON but null; delete takes a key away.";
  return FirstOf({fields.Unknown({"key", "value"}), ReadKey(fields, &put->key)});
}

Wrong ReadTag(const CommandFields& fields, CallbackAnswer::Tag* tag) {
  std::string connection;
  Wrong wrong = FirstOf({fields.Unknown({"connection", "tags"}), fields.Text("connection", &connection)});
  if (wrong.empty()) wrong = ReadId(connection, &tag->connection);
  if (!wrong.empty()) return wrong;
  const auto tags = JsonElements(fields.Find("tags"), kMostTags + 1);
  if (!tags || tags->size() > kMostTags)
    return fmt::format("\"tags\" is an array of up to {} strings.", kMostTags);
  for (const JsonSlice each : *tags) {
    auto text = JsonString(each);
    if (!text || text->empty() || text->size() > kLongestTag ||
        text->find_first_of(std::string("\0\1", 2)) != std::string::npos)
      return fmt::format("A tag is a string of 1 to {} bytes, none of them 0 or 1.", kLongestTag);
    tag->tags.push_back(std::move(*text));
  }
  return "";
}

Wrong ReadTime(const CommandFields& fields, std::string_view name, std::optional<int64_t>* time) {
  const JsonSlice found = fields.Find(name);
  if (found.empty()) return "";
  const auto ms = JsonNumber(found);
  if (!ms || !(*ms >= 1 && *ms <= kLatestMs)) return fmt::format("\"{}\" is a number of milliseconds.", name);
  *time = static_cast<int64_t>(*ms);
  return "";
}

Wrong ReadAlarm(const CommandFields& fields, CallbackAnswer::Alarm* alarm) {
  Wrong wrong = FirstOf({fields.Unknown({"at", "in"}), ReadTime(fields, "at", &alarm->at_ms),
                         ReadTime(fields, "in", &alarm->in_ms)});
  if (wrong.empty() && alarm->at_ms && alarm->in_ms)
    wrong = "Say when with \"at\" (since 1970) or with \"in\" (from now on); with neither there is no alarm.";
  return wrong;
}

// Of a command of api.proto: what its words leave open.
Wrong CheckIds(const api::Command& command) {
  ConnectionId ignored;
  if (command.has_send() && command.send().to_case() == api::Send::kActor)
    return "To whom is \"connection\" or \"tag\"; only class signal has actors.";
  if (command.has_send() && command.send().to_case() == api::Send::kConnection)
    return ReadId(command.send().connection(), &ignored);
  if (command.has_broadcast() && !command.broadcast().except().empty())
    return ReadId(command.broadcast().except(), &ignored);
  if (!command.has_disconnect()) return "";
  if (command.disconnect().whom_case() == api::Disconnect::kActor)
    return "Whom is \"connection\", \"tag\" or \"all\"; only class signal has actors.";
  if (command.disconnect().whom_case() == api::Disconnect::kConnection)
    return ReadId(command.disconnect().connection(), &ignored);
  return "";
}

Wrong ReadStep(const std::string& verb, const CommandFields& fields, CallbackAnswer* answer) {
  if (std::ranges::find(kVerbs, verb) == kVerbs.end()) return NoSuchWord("verb", verb, kVerbs);
  const auto keep = [answer](Wrong wrong, auto step) {
    answer->steps.emplace_back(std::move(step));
    return wrong;
  };
  if (verb == "put") {
    CallbackAnswer::Put put;
    Wrong wrong = ReadPut(fields, &put);
    return keep(std::move(wrong), std::move(put));
  }
  if (verb == "delete") {
    CallbackAnswer::Delete gone;
    Wrong wrong = FirstOf({fields.Unknown({"key"}), ReadKey(fields, &gone.key)});
    return keep(std::move(wrong), std::move(gone));
  }
  if (verb == "tag") {
    CallbackAnswer::Tag tag;
    Wrong wrong = ReadTag(fields, &tag);
    return keep(std::move(wrong), std::move(tag));
  }
  if (verb == "alarm") {
    CallbackAnswer::Alarm alarm;
    Wrong wrong = ReadAlarm(fields, &alarm);
    return keep(std::move(wrong), alarm);
  }
  api::Command command;
  Wrong wrong = ReadCommand(verb, fields, &command);
  if (wrong.empty()) wrong = CheckIds(command);
  return keep(std::move(wrong), std::move(command));
}

}  // namespace

Wrong ReadCallbackAnswer(std::string_view body, CallbackAnswer* answer) {
  const size_t begin = body.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  if (!IsValidJson(body)) return "It is not one JSON value in UTF-8.";
  const std::string_view json = body.substr(begin);
  if (!IsJsonObject(json)) return "It is not a JSON object.";
  const CommandFields fields(json);
  if (Wrong wrong = fields.Unknown({"commands"}); !wrong.empty()) return wrong;
  if (!fields.Has("commands")) return "";
  const auto elements = JsonElements(fields.Find("commands"), kMostCommands + 1);
  if (!elements || elements->size() > kMostCommands) {
    return fmt::format(
        "\"commands\" is an array of up to {} objects, each with \"verb\" and what that takes.",
        kMostCommands);
  }
  for (size_t i = 0; i < elements->size(); ++i) {
    const JsonSlice each = (*elements)[i];
    std::string verb;
    Wrong wrong = IsJsonObject(each) ? CommandFields(each).Text("verb", &verb) : "It is no object.";
    if (wrong.empty()) {
      const std::string rest = Without(each, "verb");
      wrong = ReadStep(verb, CommandFields(rest), answer);
    }
    if (!wrong.empty()) return fmt::format("Command {}: {}", i, wrong);
  }
  return "";
}

}  // namespace dormouse
