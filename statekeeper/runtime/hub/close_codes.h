// Codes with which the runtime closes sockets, or says that they have ended: RFC 6455, 7.4.1, and the
// registry that it founded.
#pragma once

#include <cstdint>

namespace dormouse {

inline constexpr uint16_t kGoingAway = 1001;
inline constexpr uint16_t kGoneAbnormally = 1006;
inline constexpr uint16_t kInternalError = 1011;
inline constexpr uint16_t kTryAgainLater = 1013;

}  // namespace dormouse
