#include "statekeeper/ownership/members/ownership_metrics.h"

namespace dormouse {
namespace {

prometheus::Counter& Counter(prometheus::Registry* registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry).Add({});
}

prometheus::Gauge& Gauge(prometheus::Registry* registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry).Add({});
}

}  // namespace

OwnershipMetrics::OwnershipMetrics(prometheus::Registry* r)
    : members(Gauge(r, "dormouse_members", "Statekeepers that live, as the store told last")),
      shards(
          Gauge(r, "dormouse_member_shards", "Shards owned by this statekeeper; the sum over all is shards")),
      claims(Counter(r, "dormouse_shard_claims_total", "Shards that it has become the owner of")),
      hand_overs(Counter(r, "dormouse_hand_overs_total", "Shards handed over to another statekeeper")),
      hand_over_failures(
          Counter(r, "dormouse_hand_over_failures_total", "Shards that stayed though they were offered")),
      hand_over_seconds(prometheus::BuildHistogram()
                            .Name("dormouse_hand_over_seconds")
                            .Help("Time from the first word of a hand-over to the next owner's answer: the "
                                  "pause that clients of its hubs see, tens of milliseconds")
                            .Register(*r)
                            .Add({}, prometheus::Histogram::BucketBoundaries{0.005, 0.01, 0.025, 0.05, 0.1,
                                                                             0.25, 0.5, 1, 2.5, 5})),
      losses(
          Counter(r, "dormouse_shard_losses_total", "Shards that another statekeeper has taken by itself")),
      suspicions(Counter(r, "dormouse_suspicions_total", "Statekeepers found by this one to be unreachable")),
      sync_failures(
          Counter(r, "dormouse_sync_failures_total",
                  "Renewals in the store that failed: at two thirds of member-ttl it stops serving")),
      store_losses(Counter(
          r, "dormouse_store_losses_total",
          "Times that the store was found to lack what it had acknowledged. Never above 0 for nothing")) {}

}  // namespace dormouse
