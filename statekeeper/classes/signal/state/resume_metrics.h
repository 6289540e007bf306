// What is counted of sessions that come back to a new socket, for all hubs of the class together. Any thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <cstdint>

namespace dormouse::signal {

class ResumeMetrics {
 public:
  explicit ResumeMetrics(prometheus::Registry* registry)
      : resumed_(Sessions(registry).Add({{"outcome", "resumed"}})),
        unknown_(Sessions(registry).Add({{"outcome", "unknown"}})),
        missed_(prometheus::BuildCounter()
                    .Name("dormouse_resume_missed_messages_total")
                    .Help("Messages that resumed sessions were told they missed for good (over "
                          "resume-messages or resume-bytes)")
                    .Register(*registry)
                    .Add({})) {}

  void Resumed(uint64_t missed) {
    resumed_.Increment();
    missed_.Increment(static_cast<double>(missed));
  }
  // The token was of no session that there is.
  void Unknown() { unknown_.Increment(); }

 private:
  static prometheus::Family<prometheus::Counter>& Sessions(prometheus::Registry* registry) {
    return prometheus::BuildCounter()
        .Name("dormouse_resumes_total")
        .Help(
            "Clients that showed a resume token: their session was resumed, or is unknown (over "
            "resume-window, say), and they got a fresh one")
        .Register(*registry);
  }

  prometheus::Counter& resumed_;
  prometheus::Counter& unknown_;
  prometheus::Counter& missed_;
};

}  // namespace dormouse::signal
