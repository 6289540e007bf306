#include "statekeeper/classes/testing/fake_edge.h"

#include <algorithm>

#include "common/json/json_reader.h"

namespace dormouse {
namespace {

// A field by its path, "payload.timestamp"; empty: it is not there.
std::string Field(std::string_view request, const std::string& path) {
  const size_t dot = path.find('.');
  const JsonObject object(request);
  const JsonSlice value = object.Find(path.substr(0, dot));
  if (dot == path.npos) return std::string(value);
  return std::string(JsonObject(value).Find(path.substr(dot + 1)));
}

bool Begins(std::string_view frame, const link::StringPrefix& prefix) {
  const auto text = JsonString(Field(frame, prefix.field()));
  return text.has_value() && text->starts_with(prefix.prefix()) != prefix.negate();
}

bool Applies(const link::AutoResponse& rule, std::string_view frame) {
  if (!IsValidJson(frame) || JsonString(Field(frame, "type")) != rule.type()) return false;
  const auto present = [&](const std::string& path) { return !Field(frame, path).empty(); };
  const auto absent = [&](const std::string& path) { return IsJsonNothing(Field(frame, path)); };
  return std::ranges::all_of(rule.require(), present) && std::ranges::all_of(rule.absent(), absent) &&
         std::ranges::all_of(rule.prefixes(),
                             [&](const link::StringPrefix& prefix) { return Begins(frame, prefix); });
}

}  // namespace

std::optional<std::string> FillTemplate(const link::Template& reply, std::string_view request,
                                        const EdgeValues& values) {
  std::string text;
  for (const link::Template::Part& part : reply.parts()) {
    if (part.has_literal()) {
      text += part.literal();
    } else if (part.has_value()) {
      const auto value = values.find(part.value());
      text += value == values.end() ? "?" : value->second;
    } else {
      std::string field = Field(request, part.field());
      if (part.string_only() && !IsJsonString(field)) field.clear();
      if (field.empty()) {
        field = part.has_variant() && Begins(request, part.variant().when()) ? part.variant().otherwise()
                                                                             : part.otherwise();
      }
      if (field.empty()) return std::nullopt;
      text += field;
    }
  }
  return text;
}

std::optional<std::string> EdgeReply(const link::ClassProfile& profile, std::string_view frame,
                                     const EdgeValues& values) {
  for (const link::AutoResponse& rule : profile.auto_responses()) {
    if (!Applies(rule, frame)) continue;
    if (auto reply = FillTemplate(rule.reply(), frame, values)) return reply;
  }
  return std::nullopt;
}

}  // namespace dormouse
