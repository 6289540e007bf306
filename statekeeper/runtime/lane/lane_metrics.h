// What a lane counts. Each lane has its own label, so that no two threads share a counter's cache line.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>

namespace dormouse {

struct LaneMetrics {
  LaneMetrics(prometheus::Registry* registry, uint32_t lane);

  prometheus::Gauge& hubs_awake;
  prometheus::Counter& wakes;
  prometheus::Histogram& wake_seconds;
  prometheus::Counter& hibernations;
  prometheus::Counter& events;
  prometheus::Counter& event_bytes;
  prometheus::Histogram& batch_events;
  prometheus::Counter& deliveries;
  prometheus::Counter& delivery_bytes;
  prometheus::Counter& commits;
  prometheus::Counter& commit_failures;
  prometheus::Counter& commits_fenced;
  prometheus::Histogram& commit_seconds;
  prometheus::Counter& alarms;
  prometheus::Histogram& alarm_lateness;
  prometheus::Gauge& alarms_ringing;
  prometheus::Counter& alarm_retries;
  prometheus::Counter& alarms_dropped;
  prometheus::Counter& given_up;
  prometheus::Counter& unreadable;
  prometheus::Gauge& hubs_waiting;
  prometheus::Gauge& store_healthy;
  prometheus::Gauge& gateways;
  prometheus::Gauge& unacknowledged_bytes;
  prometheus::Counter& gateways_given_up;
  prometheus::Gauge& shards_owned;
  prometheus::Histogram& loop_lag;
};

}  // namespace dormouse
