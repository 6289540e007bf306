// Whether bytes are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF,
// nothing cut off. Plain ASCII is checked eight bytes at a time. Any thread.
#pragma once

#include <string_view>

namespace dormouse {

bool IsValidUtf8(std::string_view bytes);

}  // namespace dormouse
