// What a client of a fallback connection is sent, as events of an event stream (HTML, 9.2.6), in answers to
// polls as well as in streams: one reader serves both.
//
//   id: 7                        a text message, each of its lines behind "data: "
//   data: {"type":"chat"}
//
//   id: 8                        a binary message; `base64` is a text that lines cannot hold, for it has a
//   event: binary                carriage return
//   data: AAEC
//
//   id: 9
//   event: close
//   data: {"code":1000,"reason":""}
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dormouse::edge {

std::string MessageEvent(uint64_t number, bool binary, std::string_view message);
std::string CloseEvent(uint64_t number, uint16_t code, std::string_view reason);
// Without a number: it need not be kept. It asks for word that what came up to `number` is there.
std::string ConfirmEvent(uint64_t number);
// The first of a stream: so a client knows that nobody on the way waits for its end.
std::string OpenEvent(uint64_t number);

}  // namespace dormouse::edge
