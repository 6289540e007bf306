// A hub as text, one JSON document a line: what its class keeps (Context::Put) and its alarm.
//
//   {"dormouse":"hub","version":1,"hub":"echo/kitchen","alarm":"2026-01-31T12:34:56.789Z","alarm_ms":1769862896789,
//    "rows":3}                                                          (in one line; both `alarm`s or none)
//   {"key":"greeting","value":"good morning"}
//   {"key_base64":"AP8=","value":"a key that is not UTF-8"}
//   {"key":"picture","value_base64":"iVBORw0KGgo="}
//
// Written in the order of the keys, read in any. A key, or a value, is text where it is UTF-8, else base64
// (RFC 4648, 4). Of the first line, `dormouse`, `version` and `rows` must be there when it is read, and
// `alarm_ms` counts.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <string>

namespace dormouse {

struct HubLines {
  std::string hub;                  // CLASS/NAME
  std::optional<int64_t> alarm_ms;  // wall clock
  std::map<std::string, std::string> rows;
};

std::string PrintHubLines(const HubLines& hub);
// Throws a Failure that names the line. `name`: of where it comes from.
HubLines ParseHubLines(std::istream* in, const std::string& name);

}  // namespace dormouse
