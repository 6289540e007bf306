// How a gateway process follows another without closing a socket (gateway/takeover/), put together from its parts: the
// new one's way to serve, and what the old one does when it is asked, or told with SIGUSR2 to start its successor.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "common/http/admin_server.h"
#include "gateway/api/api_server.h"
#include "gateway/edge/edge_server.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/link/statekeeper_links.h"
#include "gateway/takeover/handing_over.h"
#include "gateway/takeover/taking_over.h"
#include "proto/takeover.pb.h"

namespace dormouse {

// --- The new process.

// What a gateway with these options says of itself.
takeover::Hello IntroductionOf(const Options& options, const std::string& cluster);

// Waits until the statekeepers have said what there is, and takes all that the other has. False: it cannot be,
// `*wrong` is a sentence; the process is to end, and the other goes on. True: this process serves from here on, the
// links have begun, and it listens for clients.
struct TakenOver {
  int admin = -1;  // sockets that listen
  int api = -1;
  int64_t begun_ms = 0;  // SteadyMs(): the other has stood still since
};
bool TakeOver(takeover::TakingOver* other, struct ev_loop* loop, edge::EdgeServer* edge,
              StatekeeperLinks* links, edge::GatewayMetrics* metrics, TakenOver* taken, std::string* wrong);

// --- The old one.

class Succession {
 public:
  // All outlive this; `api`: nullptr: none. `admin` is asked when it is needed: there may be none yet.
  struct Parts {
    struct ev_loop* loop;
    edge::EdgeServer* edge;
    StatekeeperLinks* links;
    ApiServer* api;
    edge::GatewayMetrics* metrics;
    std::function<AdminServer*()> admin;
    std::function<int64_t()> drain_window_ms;
    std::function<void()> done;  // nothing is left to do here
  };
  // `words`: the process's command line, for its successor.
  Succession(Parts parts, const Options& options, const std::string& cluster, std::string identity,
             std::vector<std::string> words);
  ~Succession() {
    ev_signal_stop(parts_.loop, &signal_);
    ev_timer_stop(parts_.loop, &api_idle_);
  }
  Succession(const Succession&) = delete;
  Succession& operator=(const Succession&) = delete;

 private:
  // Why nobody may take over now, a sentence; empty: somebody may.
  std::string WhyNot() const;
  void Leave();
  void Report(const takeover::HandingOver::Report& report);
  // SIGUSR2.
  void StartSuccessor();

  const Parts parts_;
  const std::vector<std::string> words_;
  const std::string path_;  // of the socket; empty: there is none
  std::unique_ptr<takeover::HandingOver> handing_over_;
  ev_signal signal_;
  ev_timer api_idle_;
};

// Tells the service manager that started this process, if one listens (sd_notify(3)).
void NotifyServiceManager(const std::string& what);

}  // namespace dormouse
