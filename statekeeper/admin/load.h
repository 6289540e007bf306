// What the lanes of this process have counted (runtime/lane/lane_metrics.h), summed up. Any thread.
#pragma once

#include <prometheus/registry.h>

#include "proto/admin.pb.h"

namespace dormouse {

admin::LoadReply ReadLoad(const prometheus::Registry& registry);

}  // namespace dormouse
