// What a member counts of the cluster and of its part in it.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace dormouse {

struct OwnershipMetrics {
  explicit OwnershipMetrics(prometheus::Registry* registry);

  prometheus::Gauge& members;
  prometheus::Gauge& shards;
  prometheus::Counter& claims;
  prometheus::Counter& hand_overs;
  prometheus::Counter& hand_over_failures;
  prometheus::Histogram& hand_over_seconds;
  prometheus::Counter& losses;
  prometheus::Counter& suspicions;
  prometheus::Counter& sync_failures;
  prometheus::Counter& store_losses;
};

}  // namespace dormouse
