// A hub as text, one JSON document a line: what its class keeps (Context::Put), its alarm and its timers.
//
//   {"dormouse":"hub","version":2,"hub":"echo/kitchen","alarm":"2026-01-31T12:34:56.789Z","alarm_ms":1769862896789,
//    "timers":[{"name":"round","due":"2026-01-31T12:35:00.000Z","due_ms":1769862900000}],
//    "rows":3}                                                          (in one line; both `alarm`s or none)
//   {"key":"greeting","value":"good morning"}
//   {"key_base64":"AP8=","value":"a key that is not UTF-8"}
//   {"key":"picture","value_base64":"iVBORw0KGgo="}
//
// It has version 2 where there are timers, of which earlier dormousectls know nothing and would lose them; else 1.
//
// Written in the order of the keys, read in any. A key, a value, or the name of a timer, is text where it is UTF-8, else base64
// (RFC 4648, 4). Of the first line, `dormouse`, `version` and `rows` must be there when it is read; `alarm_ms`
// and `due_ms` count.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse {

struct HubLines {
  std::string hub;                        // CLASS/NAME
  std::optional<int64_t> alarm_ms;        // wall clock
  std::map<std::string, int64_t> timers;  // by name: when each is due, wall clock
  std::map<std::string, std::string> rows;
};

bool IsUtf8(std::string_view text);
std::string PrintHubLines(const HubLines& hub);
// Throws a Failure that names the line. `name`: of where it comes from.
HubLines ParseHubLines(std::istream* in, const std::string& name);

}  // namespace dormouse
