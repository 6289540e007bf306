// What a request is for (RFC 9112, 3.2), and hosts as they are written there. Pure functions; any thread.
#pragma once

#include <string_view>

namespace dormouse {

struct RequestTarget {
  std::string_view authority;  // empty: the target names none
  std::string_view path;       // "*": of OPTIONS alone
  std::string_view query;      // without the '?'
};

// "/path?query", "http://host:port/path?query" or, for OPTIONS, "*". nullptr: it is one of these, in
// `*target`, views into `text` or literals; else a sentence about what is wrong.
const char* ReadTarget(std::string_view method, std::string_view text, RequestTarget* target);

// Digits of a number of 65,535 at most.
bool IsPort(std::string_view text);

// HOST[:PORT], never empty: a name, an IPv4 address or an IPv6 address in brackets (RFC 3986, 3.2.2).
bool IsHostAndPort(std::string_view text);

}  // namespace dormouse
