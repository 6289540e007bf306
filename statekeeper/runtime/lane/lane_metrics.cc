#include "statekeeper/runtime/lane/lane_metrics.h"

#include <string>

#include "common/loop/loop_lag.h"

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

prometheus::Histogram& Histogram(prometheus::Registry* registry, uint32_t lane, const char* name,
                                 const char* help, const prometheus::Histogram::BucketBoundaries& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry).Add(
      {{"lane", std::to_string(lane)}}, buckets);
}

const prometheus::Histogram::BucketBoundaries kMilliseconds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};
const prometheus::Histogram::BucketBoundaries kSeconds = {0.01, 0.05, 0.1, 0.25, 0.5, 1,
                                                          2.5,  5,    10,  30,   60,  300};
const prometheus::Histogram::BucketBoundaries kPowers = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

}  // namespace

LaneMetrics::LaneMetrics(prometheus::Registry* r, uint32_t lane)
    : hubs_awake(Gauge(r, lane, "dormouse_hubs_awake",
                       "Hubs in memory; sleeping ones are not counted anywhere, they cost nothing")),
      wakes(Counter(r, lane, "dormouse_hub_wakes_total", "Hubs rebuilt in memory")),
      wake_seconds(Histogram(r, lane, "dormouse_hub_wake_seconds",
                             "Time from the event that woke a hub to its end, reading the store included: "
                             "milliseconds, as long as the store answers",
                             kMilliseconds)),
      hibernations(Counter(r, lane, "dormouse_hub_hibernations_total", "Idle hubs that have left memory")),
      events(Counter(
          r, lane, "dormouse_events_total",
          "What clients did (opened, said, closed), taken from gateways; a replayed one counts again")),
      event_bytes(Counter(r, lane, "dormouse_event_bytes_total", "Payload bytes of events")),
      batch_events(Histogram(r, lane, "dormouse_batch_events", "Events in one batch of a gateway", kPowers)),
      deliveries(Counter(r, lane, "dormouse_deliveries_total",
                         "Outputs released to gateways, one for all recipients")),
      delivery_bytes(Counter(r, lane, "dormouse_delivery_bytes_total",
                             "Payload bytes of outputs, that for many sockets counted once")),
      commits(Counter(r, lane, "dormouse_commits_total",
                      "Commits answered by the store: one for each shard and turn, however many events it "
                      "makes durable")),
      commit_failures(Counter(r, lane, "dormouse_commit_failures_total",
                              "Commits that the store did not take in time, or refused")),
      commits_fenced(Counter(r, lane, "dormouse_commits_fenced_total",
                             "Commits refused because another statekeeper owns the shard: late writes of a "
                             "deposed owner, which get nowhere")),
      commit_seconds(
          Histogram(r, lane, "dormouse_commit_seconds",
                    "Time from handing a commit to the store to its answer: no client is answered before",
                    kMilliseconds)),
      alarms(Counter(r, lane, "dormouse_alarms_total", "Alarms delivered to hubs")),
      alarm_lateness(Histogram(r, lane, "dormouse_alarm_lateness_seconds",
                               "How long after its time an alarm was delivered", kSeconds)),
      alarms_ringing(
          Gauge(r, lane, "dormouse_alarms_due",
                "Alarms delivered and not dealt with yet; a hundred or so at once, the others follow")),
      alarm_retries(Counter(r, lane, "dormouse_alarm_retries_total",
                            "Alarms whose handler failed, and which will ring again")),
      alarms_dropped(
          Counter(r, lane, "dormouse_alarms_dropped_total",
                  "Alarms given up after six retries. Never above 0 for nothing: the log names the hub")),
      given_up(Counter(r, lane, "dormouse_events_given_up_total",
                       "Events that took max-attempts statekeepers down. Never above 0 for nothing: the log "
                       "names hub and event")),
      unreadable(Counter(
          r, lane, "dormouse_events_unreadable_total",
          "Events dropped because they could not be read, or are not of the shard that they were sent for. "
          "Never above 0 for nothing (a gateway of a later version?): the log names hub and event")),
      hubs_waiting(Gauge(r, lane, "dormouse_hubs_waiting",
                         "Hubs that wait for their turn because max-handlers handlers of their lane wait for "
                         "the store; it should fall back to 0")),
      store_healthy(
          Gauge(r, lane, "dormouse_store_healthy",
                "1 while all of the store answers and takes changes; else /readyz says what is wrong")),
      gateways(Gauge(r, lane, "dormouse_gateways_connected", "Gateways that have a stream to this lane")),
      unacknowledged_bytes(Gauge(r, lane, "dormouse_unacknowledged_bytes",
                                 "Output that gateways have not acknowledged; it grows for one that hangs, "
                                 "up to 4 times gateway-buffer for each")),
      gateways_given_up(Counter(r, lane, "dormouse_gateways_given_up_total",
                                "Gateways that stayed away or acknowledged nothing for gateway-grace, or too "
                                "little for gateway-buffer; the log says which, and why")),
      shards_owned(Gauge(r, lane, "dormouse_shards_owned", "Shards served by this lane")),
      loop_lag(LoopLag::NewHistogram(r, {{"lane", std::to_string(lane)}})) {}

}  // namespace dormouse
