// Percent-encoding (RFC 3986, 2.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dormouse {

// "%41" -> "A"; nullopt: broken encoding.
std::optional<std::string> PercentDecode(std::string_view text);

}  // namespace dormouse
