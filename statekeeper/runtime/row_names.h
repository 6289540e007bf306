// Names of a hub's rows. The meta row sorts first, so that the first page of a hub always has it; all
// connections of one gateway are neighbours, for a connection id begins with its gateway's.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/ids.h"

namespace dormouse {

inline const std::string kMetaRow = "!meta";
// How the hub was (hub/hub_past.h): which changes there are, beside the meta row, so that it is read with that; and, behind
// all that hubs need to wake, each of them.
inline const std::string kPastRow = "!past";
inline constexpr std::string_view kPastRows = "z/";
inline constexpr std::string_view kConnectionRows = "c/";
// Answers that are kept for idempotency keys: by key, by number, and which there are (hub/kept_answers.h).
inline constexpr std::string_view kKeptRows = "i/";
inline constexpr std::string_view kKeptAnswerRows = "i/k/";
inline constexpr std::string_view kKeptKeyRows = "i/n/";
inline const std::string kKeptAnswersRow = "i/s";
inline constexpr std::string_view kTagRows = "t/";
inline constexpr std::string_view kUserRows = "u/";  // the hub class's own keyed state
inline constexpr char kTagEnd = '\x01';              // between a tag and a connection id
// Beginnings of all names but those of the two rows above: what has another one is no row of a hub.
inline constexpr std::array kHubRows{kConnectionRows, kKeptRows, kPastRows, kTagRows, kUserRows};

inline std::string ConnectionRow(const ConnectionId& id) {
  return std::string(kConnectionRows) + id.ToString();
}

// What the rows of one gateway's connections begin with.
inline std::string ConnectionRowsOf(GatewayId gateway) {
  constexpr size_t kHighHalfAsText = 18;  // "xxxxxxxx-xxxx-4xxx"
  return std::string(kConnectionRows) + ConnectionId{gateway, 0}.ToString().substr(0, kHighHalfAsText);
}

inline std::string TagRows(std::string_view tag) {
  return std::string(kTagRows) + std::string(tag) + kTagEnd;
}

inline std::string UserRow(std::string_view key) { return std::string(kUserRows) + std::string(key); }

// In the order of their numbers.
inline std::string PastRow(uint64_t number) { return fmt::format("{}{:016x}", kPastRows, number); }

// The smallest key above all that begin with `prefix`; empty: there is none.
inline std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace dormouse
