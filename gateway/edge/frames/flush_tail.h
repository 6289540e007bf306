// What ends a block that deflate flushed: who sends a message leaves it out, who reads one adds it (RFC 7692, 7.2.1
// and 7.2.2).
#pragma once

#include <string_view>

namespace dormouse::edge {

inline constexpr std::string_view kFlushTail("\x00\x00\xff\xff", 4);

}  // namespace dormouse::edge
