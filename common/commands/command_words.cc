#include "common/commands/command_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/json/json_writer.h"
#include "common/json/strict_json.h"
#include "common/nearest_name.h"

namespace dormouse {
namespace {

constexpr uint16_t kDefaultCode = 1000;

std::optional<std::string> DecodeBase64(std::string text) {
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return DecodeBase64Url(text);
}

Wrong ReadData(const CommandFields& fields, bool may_be_binary, api::Data* data) {
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

Wrong ReadSend(const CommandFields& fields, api::Send* send) {
  Wrong wrong =
      FirstOf({fields.Unknown({"connection", "actor", "tag", "data", "base64", "type", "from"}),
               fields.OneOf({"connection", "actor", "tag"}, "to whom"),
               ReadData(fields, !fields.Has("actor"), send->mutable_data()),
               fields.Text("type", send->mutable_type()), fields.Text("from", send->mutable_from())});
  if (!wrong.empty()) return wrong;
  if (fields.Has("connection")) return fields.Text("connection", send->mutable_connection());
  if (fields.Has("tag")) return fields.Text("tag", send->mutable_tag());
  if (send->type().empty()) return "A message to an actor needs \"type\", the application's own name for it.";
  return fields.Text("actor", send->mutable_actor());
}

Wrong ReadPublish(const CommandFields& fields, api::Publish* publish) {
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

Wrong ReadBroadcast(const CommandFields& fields, api::Broadcast* broadcast) {
  return FirstOf(
      {fields.Unknown({"data", "base64", "type", "from", "except"}),
       ReadData(fields, true, broadcast->mutable_data()), fields.Text("type", broadcast->mutable_type()),
       fields.Text("from", broadcast->mutable_from()), fields.Text("except", broadcast->mutable_except())});
}

Wrong ReadDisconnect(const CommandFields& fields, api::Disconnect* disconnect) {
  uint32_t code = kDefaultCode;
  Wrong wrong = FirstOf({fields.Unknown({"connection", "actor", "tag", "all", "code", "reason"}),
                         fields.OneOf({"connection", "actor", "tag", "all"}, "whom"),
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

}  // namespace

std::string NoSuchWord(std::string_view what, std::string_view word, const std::vector<std::string>& names) {
  const std::string nearest = NearestName(word, names);
  return fmt::format("There is no {} {}; {}", what, word,
                     nearest.empty() ? fmt::format("there are: {}.", fmt::join(names, ", "))
                                     : fmt::format("is it to be {}?", nearest));
}

Wrong FirstOf(std::initializer_list<Wrong> wrongs) {
  const auto* const found = std::ranges::find_if(wrongs, [](const Wrong& wrong) { return !wrong.empty(); });
  return found == wrongs.end() ? "" : *found;
}

// --- Fields.

Wrong CommandFields::Unknown(std::initializer_list<std::string> known) const {
  const std::vector<std::string> names(known);
  for (const JsonMember& member : object_.members()) {
    const std::string key = member.key();
    if (std::ranges::find(names, key) == names.end()) return NoSuchWord("field", key, names);
  }
  return "";
}

JsonSlice CommandFields::Find(std::string_view name) const {
  const JsonSlice found = object_.Find(name);
  return IsJsonNothing(found) ? JsonSlice() : found;
}

Wrong CommandFields::Text(std::string_view name, std::string* text) const {
  const JsonSlice found = Find(name);
  if (found.empty()) return "";
  auto said = JsonString(found);
  if (!said) return fmt::format("\"{}\" is not a string.", name);
  *text = std::move(*said);
  return "";
}

Wrong CommandFields::Number(std::string_view name, double least, double most, uint32_t* number) const {
  const JsonSlice found = Find(name);
  if (found.empty()) return "";
  const auto said = JsonNumber(found);
  if (!said || !(*said >= least && *said <= most) || *said != static_cast<uint32_t>(*said))
    return fmt::format("\"{}\" is not a whole number from {} to {}.", name, least, most);
  *number = static_cast<uint32_t>(*said);
  return "";
}

Wrong CommandFields::OneOf(const std::vector<std::string>& names, std::string_view what) const {
  const auto count = std::ranges::count_if(names, [&](const std::string& name) { return Has(name); });
  return count == 1 ? "" : fmt::format("Say {} with one of {}.", what, fmt::join(names, ", "));
}

std::string Without(JsonSlice json, std::string_view name) {
  const JsonObject object(json);
  JsonWriter rest;
  for (const JsonMember& member : object.members()) {
    if (!member.IsCalled(name)) rest.RawMember(member.quoted_key, member.value);
  }
  return rest.Finish();
}

// --- Commands.

Wrong ReadCommand(std::string_view verb, const CommandFields& fields, api::Command* command) {
  if (verb == "send") return ReadSend(fields, command->mutable_send());
  if (verb == "publish") return ReadPublish(fields, command->mutable_publish());
  if (verb == "broadcast") return ReadBroadcast(fields, command->mutable_broadcast());
  if (verb == "disconnect") return ReadDisconnect(fields, command->mutable_disconnect());
  return NoSuchWord("verb", verb, {"send", "publish", "broadcast", "disconnect"});
}

// RFC 6455, 7.4: what an endpoint may send, less what only a handshake or TLS could mean.
bool MayBeSent(uint32_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace dormouse
