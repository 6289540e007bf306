// What somebody may have meant who wrote a name that nothing has. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dormouse {

// The one of `names` that takes the fewest changed, added or missing characters; empty: none is near.
std::string NearestName(std::string_view word, const std::vector<std::string>& names);

}  // namespace dormouse
