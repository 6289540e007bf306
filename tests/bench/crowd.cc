#include "tests/bench/crowd.h"

#include <chrono>
#include <stdexcept>

namespace dormouse::bench {
namespace {

constexpr size_t kOpening = 128;
constexpr std::chrono::seconds kPatience(30);

}  // namespace

void ExpectStart(std::string_view frame, std::string_view start) {
  if (!frame.starts_with(start))
    throw std::runtime_error("unexpected frame: " + std::string(frame.substr(0, 200)));
}

class Crowd::Watcher : public load::Sockets::Handler {
 public:
  Watcher(Crowd* crowd, const FrameCallback& on_frame) : crowd_(crowd), on_frame_(on_frame) {}
  void OnOpen(size_t) override { ++crowd_->open_; }
  void OnFrame(size_t index, std::string_view text) override { on_frame_(index, text); }
  void OnEnd(size_t, bool, const load::WebSocket::End& end) override {
    throw std::runtime_error("a connection ended with " + std::to_string(end.code) + " " + end.reason);
  }

 private:
  Crowd* const crowd_;
  const FrameCallback& on_frame_;
};

void Crowd::Open(size_t count, const std::function<std::string(size_t index)>& path,
                 std::string_view welcome) {
  sockets_.emplace(count);
  size_t begun = 0;
  size_t welcomed = 0;
  const size_t& done = welcome.empty() ? open_ : welcomed;
  while (done < count) {
    for (; begun < count && begun < done + kOpening; ++begun) {
      const std::string asked = path(begun);
      sockets_->Open(begun, server_, load::Upgrade{.path = asked});
    }
    Turn([&](size_t, std::string_view text) {
      ExpectStart(text, welcome);
      ++welcomed;
    });
  }
}

void Crowd::Turn(const FrameCallback& on_frame) {
  Watcher watcher(this, on_frame);
  if (!sockets_->Turn(kPatience, &watcher)) throw std::runtime_error("nothing came for 30 s");
}

}  // namespace dormouse::bench
