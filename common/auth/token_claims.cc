#include "common/auth/token_claims.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "common/json/strict_json.h"

namespace dormouse {
namespace {

constexpr size_t kMaxToken = 8 << 10;
constexpr size_t kMaxActor = 512;
constexpr int64_t kLeewayMs = 30'000;
constexpr int64_t kMaxAgeMs = 24LL * 3'600'000;
constexpr double kMaxSeconds = 1e11;  // beyond: milliseconds, by mistake

constexpr const char* kNoToken =
    "This is no JSON Web Token: three parts in base64url without padding, joined by dots, the first two of "
    "them "
    "JSON objects.";

std::optional<std::array<std::string_view, 3>> SplitAtDots(std::string_view token) {
  const size_t first = token.find('.');
  const size_t last = token.rfind('.');
  if (first == last || token.find('.', first + 1) != last) return std::nullopt;
  return std::array{token.substr(0, first), token.substr(first + 1, last - first - 1),
                    token.substr(last + 1)};
}

std::unique_ptr<const rapidjson::Document> DecodeObject(std::string_view part) {
  const auto text = DecodeBase64Url(part);
  return text.has_value() ? ParseStrictObject(*text) : nullptr;
}

bool IsJwtType(const rapidjson::Value& type) {
  return type.IsString() && type.GetStringLength() == 3 && strncasecmp(type.GetString(), "JWT", 3) == 0;
}

// Empty: the header is as it should be.
std::string WhyBadHeader(const rapidjson::Value& header, TokenAlgorithm algorithm) {
  if (FindString(header, "alg") != NameOf(algorithm)) {
    return "The token's header must say alg \"" + std::string(NameOf(algorithm)) + "\".";
  }
  if (FindMember(header, "crit") != nullptr) return "The token's header demands extensions (crit).";
  const rapidjson::Value* type = FindMember(header, "typ");
  if (type != nullptr && !IsJwtType(*type)) return "The token's header has a typ other than \"JWT\".";
  const rapidjson::Value* kid = FindMember(header, "kid");
  if (kid != nullptr && !kid->IsString()) return "The token's header has a kid that is no string.";
  return "";
}

// A claim in seconds since 1970 (NumericDate) as milliseconds; nothing: it is missing, or none.
std::optional<int64_t> TimeOf(const rapidjson::Value& payload, std::string_view claim) {
  const rapidjson::Value* value = FindMember(payload, claim);
  if (value == nullptr || !value->IsNumber()) return std::nullopt;
  const double seconds = value->GetDouble();
  if (!(seconds >= 0 && seconds <= kMaxSeconds)) return std::nullopt;
  return std::llround(seconds * 1000);
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxActor &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// A claim that may be missing. False: it is there, and no array of names.
bool ReadNames(const rapidjson::Value& payload, std::string_view claim, std::vector<std::string>* names) {
  const rapidjson::Value* value = FindMember(payload, claim);
  if (value == nullptr) return true;
  if (!value->IsArray()) return false;
  for (const rapidjson::Value& element : value->GetArray()) {
    if (!element.IsString() || !IsName(TextOf(element))) return false;
    names->emplace_back(TextOf(element));
  }
  return true;
}

// The claim aud is a string or an array of them (RFC 7519, 4.1.3).
bool IsFor(const rapidjson::Value& payload, std::string_view audience) {
  const rapidjson::Value* value = FindMember(payload, "aud");
  if (value == nullptr) return false;
  const auto is_it = [&](const rapidjson::Value& each) {
    return each.IsString() && TextOf(each) == audience;
  };
  return value->IsArray() ? std::ranges::any_of(value->GetArray(), is_it) : is_it(*value);
}

}  // namespace

std::optional<TokenText> ReadToken(std::string_view token, TokenAlgorithm algorithm, std::string* problem) {
  if (token.size() > kMaxToken) {
    *problem = "The token is longer than 8 KiB.";
    return std::nullopt;
  }
  const auto parts = SplitAtDots(token);
  const auto header = parts.has_value() ? DecodeObject((*parts)[0]) : nullptr;
  if (header == nullptr) {
    *problem = kNoToken;
    return std::nullopt;
  }
  if (*problem = WhyBadHeader(*header, algorithm); !problem->empty()) return std::nullopt;
  auto payload = DecodeObject((*parts)[1]);
  const auto signature = DecodeBase64Url((*parts)[2]);
  if (payload == nullptr || !signature.has_value() || signature->empty()) {
    *problem = kNoToken;
    return std::nullopt;
  }
  const auto kid = FindString(*header, "kid");
  return TokenText{kid.has_value() ? std::optional<std::string>(*kid) : std::nullopt, std::move(payload)};
}

std::string WhyBadTime(const rapidjson::Value& payload, int64_t now_ms, int64_t* good_until_ms) {
  const auto expires_ms = TimeOf(payload, "exp");
  const auto issued_ms = TimeOf(payload, "iat");
  if (!expires_ms.has_value()) return "The token has no claim exp, in seconds since 1970.";
  if (!issued_ms.has_value()) return "The token has no claim iat, in seconds since 1970.";
  if (*expires_ms <= now_ms) return "The token has expired.";
  if (*issued_ms > now_ms + kLeewayMs) return "The token was issued in the future (iat).";
  if (*issued_ms + kMaxAgeMs <= now_ms) return "The token was issued more than 24 hours ago (iat).";
  if (FindMember(payload, "nbf") != nullptr) {
    const auto begins_ms = TimeOf(payload, "nbf");
    if (!begins_ms.has_value()) return "The token's claim nbf is no time in seconds since 1970.";
    if (*begins_ms > now_ms + kLeewayMs) return "The token is not valid yet (nbf).";
  }
  *good_until_ms = std::min(*expires_ms, *issued_ms + kMaxAgeMs);
  return "";
}

std::optional<TokenClaims> JudgeClaims(const rapidjson::Value& payload, std::string_view issuer,
                                       std::string_view audience, int64_t now_ms, std::string* problem) {
  TokenClaims claims;
  if (*problem = WhyBadTime(payload, now_ms, &claims.expires_ms); !problem->empty()) return std::nullopt;
  if (FindString(payload, "iss") != issuer) {
    *problem = "The token's issuer (iss) is not the one that is trusted here.";
    return std::nullopt;
  }
  if (!audience.empty() && !IsFor(payload, audience)) {
    *problem = "The token is for another audience (aud).";
    return std::nullopt;
  }
  if (FindString(payload, "sub").value_or("").empty()) {
    *problem = "The token has no claim sub, a string.";
    return std::nullopt;
  }
  claims.actor = FindString(payload, "actorId").value_or("");
  if (!IsName(claims.actor)) {
    *problem = "The token has no claim actorId, the address of an actor.";
    return std::nullopt;
  }
  if (!ReadNames(payload, "actors", &claims.actors)) {
    *problem = "The token's claim actors is no array of addresses or patterns of addresses.";
    return std::nullopt;
  }
  if (!ReadNames(payload, "capabilities", &claims.capabilities) ||
      (FindMember(payload, "capabilities") != nullptr && claims.capabilities.empty())) {
    *problem =
        "The token's claim capabilities is no array of at least one name; without the claim all are granted.";
    return std::nullopt;
  }
  if (!ReadNames(payload, "hubs", &claims.hubs) ||
      (FindMember(payload, "hubs") != nullptr && claims.hubs.empty())) {
    *problem =
        "The token's claim hubs is no array of at least one name or pattern of hubs; without the claim all "
        "are "
        "allowed.";
    return std::nullopt;
  }
  // Others' tokens have claims of that name that mean something else: they are no reason to refuse one.
  if (const auto role = FindString(payload, "role"); role.has_value() && IsName(*role)) claims.role = *role;
  return claims;
}

std::string RenewedClaims(const rapidjson::Value& payload, int64_t now_ms, int64_t expires_ms) {
  rapidjson::Document renewed(rapidjson::kObjectType);
  auto& allocator = renewed.GetAllocator();
  for (const auto& member : payload.GetObject()) {
    const std::string_view name = TextOf(member.name);
    if (name == "iat" || name == "exp" || name == "nbf") continue;
    renewed.AddMember(rapidjson::Value(member.name, allocator), rapidjson::Value(member.value, allocator),
                      allocator);
  }
  renewed.AddMember("iat", rapidjson::Value(now_ms / 1000), allocator);
  renewed.AddMember("exp", rapidjson::Value(expires_ms / 1000), allocator);
  rapidjson::StringBuffer text;
  rapidjson::Writer<rapidjson::StringBuffer> writer(text);
  renewed.Accept(writer);
  return {text.GetString(), text.GetSize()};
}

}  // namespace dormouse
