// What a lane counts. Each lane has its own label, so that no two threads share a counter's cache line.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstdint>

namespace dormouse {

struct LaneMetrics {
  LaneMetrics(prometheus::Registry* registry, uint32_t lane);

  prometheus::Gauge& hubs_awake;
  prometheus::Counter& wakes;
  prometheus::Counter& hibernations;
  prometheus::Counter& events;
  prometheus::Counter& deliveries;
  prometheus::Counter& commits;
  prometheus::Counter& commit_failures;
  prometheus::Counter& alarms;
  prometheus::Counter& given_up;
  prometheus::Counter& unreadable;
  prometheus::Gauge& hubs_waiting;
  prometheus::Gauge& store_healthy;
  prometheus::Gauge& gateways;
  prometheus::Gauge& unacknowledged_bytes;
  prometheus::Counter& gateways_given_up;
  prometheus::Gauge& shards_owned;
};

}  // namespace dormouse
