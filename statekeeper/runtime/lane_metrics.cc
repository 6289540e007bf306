#include "statekeeper/runtime/lane_metrics.h"

#include <string>

namespace dormouse {
namespace {

prometheus::Counter& Counter(prometheus::Registry* registry, uint32_t lane, const char* name,
                             const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry).Add(
      {{"lane", std::to_string(lane)}});
}

prometheus::Gauge& Gauge(prometheus::Registry* registry, uint32_t lane, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry).Add(
      {{"lane", std::to_string(lane)}});
}

}  // namespace

LaneMetrics::LaneMetrics(prometheus::Registry* r, uint32_t lane)
    : hubs_awake(Gauge(r, lane, "dormouse_hubs_awake", "Hubs in memory")),
      wakes(Counter(r, lane, "dormouse_hub_wakes_total", "Hubs rebuilt in memory")),
      hibernations(Counter(r, lane, "dormouse_hub_hibernations_total", "Idle hubs dropped from memory")),
      events(Counter(r, lane, "dormouse_events_total", "Events taken from gateways")),
      deliveries(Counter(r, lane, "dormouse_deliveries_total", "Outputs released to gateways")),
      commits(Counter(r, lane, "dormouse_commits_total", "Commits that the store answered")),
      commit_failures(Counter(r, lane, "dormouse_commit_failures_total", "Commits that failed")),
      alarms(Counter(r, lane, "dormouse_alarms_total", "Alarms delivered to hubs")),
      given_up(Counter(r, lane, "dormouse_events_given_up_total",
                       "Events given up because statekeepers died of them (max-attempts)")),
      unreadable(Counter(r, lane, "dormouse_events_unreadable_total",
                         "Events dropped because they were not of the shard that they were sent for")),
      hubs_waiting(Gauge(r, lane, "dormouse_hubs_waiting", "Hubs that wait for their turn (max-handlers)")),
      store_healthy(
          Gauge(r, lane, "dormouse_store_healthy", "1 while all of the store answers and takes changes")),
      gateways(Gauge(r, lane, "dormouse_gateways_connected", "Gateways with a stream to this lane")),
      unacknowledged_bytes(Gauge(r, lane, "dormouse_unacknowledged_bytes",
                                 "Output kept until its gateways have acknowledged it")),
      gateways_given_up(Counter(r, lane, "dormouse_gateways_given_up_total",
                                "Gateways that stayed away, hung or acknowledged too slowly")),
      shards_owned(Gauge(r, lane, "dormouse_shards_owned", "Shards that this lane serves")) {}

}  // namespace dormouse
