// Globs: * any characters ('/' too), ? one character of UTF-8; over the whole text.
#pragma once

#include <string_view>

namespace dormouse {

// Takes at most |glob| x |text| steps.
bool GlobMatches(std::string_view glob, std::string_view text);

}  // namespace dormouse
