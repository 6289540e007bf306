// What the program ends with.
#pragma once

namespace dormouse::load {

enum ExitStatus { kKept = 0, kBroken = 1, kUsage = 2, kNotConnected = 3 };

}  // namespace dormouse::load
