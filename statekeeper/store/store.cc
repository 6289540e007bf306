#include "statekeeper/store/store.h"

#include "common/clock.h"

namespace dormouse {

uint32_t FirstEpoch() {
  constexpr int64_t k2020 = 1'577'836'800;  // 2020-01-01T00:00:00Z
  return static_cast<uint32_t>(WallMs() / 1000 - k2020);
}

}  // namespace dormouse
