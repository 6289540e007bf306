#include "common/json/strict_json.h"

#include <absl/strings/escaping.h>

#include <set>
#include <utility>

namespace dormouse {

std::unique_ptr<const rapidjson::Document> ParseStrictObject(std::string_view text) {
  // RapidJSON takes a zero byte, which is no JSON, for the end.
  if (text.find('\0') != text.npos) return nullptr;
  auto document = std::make_unique<rapidjson::Document>();
  document->Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(),
                                                                                          text.size());
  if (document->HasParseError() || !document->IsObject()) return nullptr;
  std::set<std::string_view> names;
  for (const auto& member : document->GetObject()) {
    if (!names.insert(TextOf(member.name)).second) return nullptr;
  }
  return document;
}

const rapidjson::Value* FindMember(const rapidjson::Value& object, std::string_view name) {
  const auto member = object.FindMember(
      rapidjson::Value(rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size()))));
  return member == object.MemberEnd() ? nullptr : &member->value;
}

std::optional<std::string_view> FindString(const rapidjson::Value& object, std::string_view name) {
  const rapidjson::Value* value = FindMember(object, name);
  if (value == nullptr || !value->IsString()) return std::nullopt;
  return TextOf(*value);
}

std::optional<std::string> DecodeBase64Url(std::string_view text) {
  std::string bytes;
  // Unescape is lenient; what it was lenient about does not come back from escaping.
  if (!absl::WebSafeBase64Unescape({text.data(), text.size()}, &bytes)) return std::nullopt;
  if (absl::WebSafeBase64Escape(bytes) != text) return std::nullopt;
  return bytes;
}

}  // namespace dormouse
