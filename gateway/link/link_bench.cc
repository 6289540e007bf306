// What the edge link costs: both ends in this process, a number of events in flight, each answered with its
// own payload. Prints processor seconds per million events, and how far batches grew.
//
//   link_bench [IN_FLIGHT [EVENTS [PAYLOAD_BYTES [RATE [WAY]]]]]
//
// With a rate other than 0, events are sent so many a second, one at a time, whatever is in flight; the pacing is
// not counted. WAY: unix (a unix socket, as on one host), tcp (with a secret), tls (with certificates), or grpc (TCP and
// certificates, as to the version before).
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/rpc/testing/test_trust.h"
#include "common/temp_dir.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"

namespace {

double CpuSeconds(__rusage_who whose) {
  rusage usage{};
  getrusage(whose, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  using dormouse::EventKind;
  const size_t in_flight = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 64;
  const size_t events = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1'000'000;
  const std::string payload(argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 60, 'x');
  const int64_t rate = argc > 4 ? std::strtol(argv[4], nullptr, 10) : 0;
  const std::string way = argc > 5 ? argv[5] : "unix";

  const dormouse::TempDir directory;
  const std::string path = directory / "edge.sock";
  const dormouse::TestSecret secret;
  const dormouse::TestCertificates certificates;
  const dormouse::TestTrust* const trust =
      way == "tcp" ? static_cast<const dormouse::TestTrust*>(&secret) : &certificates;
  prometheus::Registry registry;
  {
    dormouse::TestStatekeeper statekeeper({.addresses = {"unix:" + path, "127.0.0.1:0"},
                                           .gate = trust->NewGate(&registry),
                                           .unix_path = way == "unix" ? path : "",
                                           .framed = way != "grpc",
                                           .shards = 1024,
                                           .record = false});
    if (!statekeeper.Start()) return 1;
    if (way != "unix") statekeeper.Publish(1, "127.0.0.1:" + std::to_string(statekeeper.server().port()));
    dormouse::TestGateway gateway({.identity = dormouse::TestIdentity(1),
                                   .statekeepers = {"unix:" + path},
                                   .credentials = trust->Of(dormouse::LinkRole::kGateway)});
    if (!gateway.AwaitReady()) return 1;

    size_t sent = 0;
    size_t received = 0;
    bool done = false;
    const auto send = [&] {
      const std::string hub = "echo/room-" + std::to_string(sent % 1000);
      gateway.links().Append(
          {.kind = EventKind::kText, .connection = ++sent, .hub = hub, .payload = payload});
    };
    gateway.on_delivery = [&](const dormouse::DeliveryView&) {
      if (++received == events) gateway.facts.Change([&] { done = true; });
      if (rate == 0 && sent < events) send();
    };

    const double cpu_before = CpuSeconds(RUSAGE_SELF);
    const auto start = std::chrono::steady_clock::now();
    double pacing = 0;
    if (rate == 0) {
      gateway.thread().Run([&] {
        for (size_t i = 0; i < in_flight; ++i) send();
      });
    } else {
      const double before = CpuSeconds(RUSAGE_THREAD);
      for (size_t i = 0; i < events; ++i) {
        std::this_thread::sleep_until(
            start + std::chrono::nanoseconds(1'000'000'000 / rate * static_cast<int64_t>(i)));
        gateway.thread().Post(send);
      }
      pacing = CpuSeconds(RUSAGE_THREAD) - before;
    }
    if (!gateway.facts.Await([&] { return done; })) return 1;
    const double cpu = CpuSeconds(RUSAGE_SELF) - cpu_before - pacing;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto traffic =
        gateway.thread().Get<dormouse::StatekeeperLinks::Traffic>([&] { return gateway.links().traffic(); });
    const auto count = static_cast<double>(events);
    std::printf("%zu in flight: %.2f CPU-s/M (wall %.2f s/M), %.1f events a message up, %.1f down\n",
                in_flight, cpu / count * 1e6, seconds / count * 1e6,
                count / static_cast<double>(traffic.messages_sent),
                count / static_cast<double>(traffic.messages_received));
  }
  return 0;
}
