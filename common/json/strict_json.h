// JSON objects as tokens and key sets have them, read strictly: what one reader could take for one thing and
// another for something else is refused. For small texts; a document is built.
#pragma once

#include <rapidjson/document.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse {

// One object in valid UTF-8 with nothing behind it, in which no name comes twice (RFC 7519, 4). Names within
// nested objects are not compared. Does not recurse. nullptr: it is none.
std::unique_ptr<const rapidjson::Document> ParseStrictObject(std::string_view text);

// A member, nullptr where there is none.
const rapidjson::Value* FindMember(const rapidjson::Value& object, std::string_view name);

// The text of a string.
inline std::string_view TextOf(const rapidjson::Value& string) {
  return {string.GetString(), string.GetStringLength()};
}
// Of a member that is a string; nothing where there is none.
std::optional<std::string_view> FindString(const rapidjson::Value& object, std::string_view name);

// Base64url without padding (RFC 4648, 5), in the one way in which the bytes can be written.
std::optional<std::string> DecodeBase64Url(std::string_view text);

}  // namespace dormouse
