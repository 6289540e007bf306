// What asking for tokens costs a hub: processor time of a whole hub:connect by algorithm, and of a hub:send
// with and without the rules for who may send it. Without runtime, link and socket. Figures of one run
// compare with each other.
#include <fmt/format.h>

#include <ctime>
#include <functional>
#include <memory>
#include <string>

#include "common/auth/testing/token_maker.h"
#include "common/auth/token_authority.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/hub/fake_context.h"

namespace dormouse {
namespace {

constexpr int kRounds = 5;

double ProcessorSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Microseconds a call; the best of some rounds, which is the least disturbed.
double Cost(int calls, const std::function<void()>& call) {
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const double before = ProcessorSeconds();
    for (int i = 0; i < calls; ++i) call();
    best = std::min(best, (ProcessorSeconds() - before) / calls * 1e6);
  }
  return best;
}

// A hub with its keys, and a token for it.
class Stage {
 public:
  explicit Stage(const std::string& algorithm) {
    Options options;
    options.auth_algorithm = algorithm;
    if (const auto known = TokenAlgorithmOf(algorithm)) {
      const TestKey key = TestKey::NewFor(*known);
      options.auth_key =
          files_.Write("key", *known == TokenAlgorithm::kHs256 ? key.secret() : key.PublicPem());
      std::string wrong;
      authority_ = NewTokenAuthority(options, &wrong);
      Claims claims = GoodClaims(FakeContext::kStart, "browser/alice");
      claims["actors"] = R"(["worker/*"])";
      token_ = MakeToken(key, *known, claims);
    }
    class_ = NewSignalClass(options, authority_.get());
    hub_ = std::make_unique<FakeContext>(*class_);
  }

  double Verify() const {
    return Cost(2000, [&] { authority_->Verify(token_, FakeContext::kStart); });
  }
  double Connect() {
    return Cost(2000, [&] {
      const ConnectionId client = hub_->ClientConnects();
      Ask(client, "hub:connect", "browser/alice", R"({"version":"1.0","jwt":")" + token_ + "\"}");
      hub_->ClientCloses(client);
    });
  }
  double Send(const std::string& from) {
    const ConnectionId client = hub_->ClientConnects();
    Ask(client, "hub:connect", "browser/alice", R"({"version":"1.0","jwt":")" + token_ + "\"}");
    for (const char* address : {"browser/alice", "worker/1"}) {
      Ask(client, "hub:register", address,
          R"({"actorAddress":")" + std::string(address) + R"(","capabilities":["x"]})");
    }
    return Cost(20'000, [&] {
      Ask(client, "hub:send", from, R"({"to":"browser/alice","type":"t","data":{"x":1}})");
    });
  }

 private:
  void Ask(const ConnectionId& client, const char* type, const std::string& from,
           const std::string& payload) {
    hub_->ClientSends(client, R"({"id":"m1","type":")" + std::string(type) + R"(","from":")" + from +
                                  R"(","to":"cloudflare/signal-hub","pattern":"ask","payload":)" + payload +
                                  "}");
    hub_->TakeFrames(client);
  }

  KeyDirectory files_;
  std::unique_ptr<TokenAuthority> authority_;
  std::string token_;
  std::unique_ptr<HubClass> class_;
  std::unique_ptr<FakeContext> hub_;
};

void Run() {
  for (const char* algorithm : {"none", "HS256", "RS256", "ES256"}) {
    Stage stage(algorithm);
    const bool on = algorithm != std::string("none");
    fmt::print(
        "{:6} verify {:7.1f} us  connect {:7.1f} us  send {:6.2f} us  send from a registered address {:6.2f} "
        "us\n",
        algorithm, on ? stage.Verify() : 0.0, stage.Connect(), stage.Send("browser/alice"),
        stage.Send("worker/1"));
  }
}

}  // namespace
}  // namespace dormouse

int main() {  // NOLINT(bugprone-exception-escape): what fails may end it
  dormouse::Run();
  return 0;
}
