// What the user says while a run goes on: lines of standard input, and signals to stop. One thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace dormouse::load {

class Commands {
 public:
  // From now on SIGTERM and SIGINT are taken here.
  Commands();
  ~Commands();
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  // Waits for up to `timeout_ms` until there is something to read here or in `other`.
  void Await(int other, int timeout_ms);

  // Complete lines that came since the last call.
  std::vector<std::string> TakeLines();

  // Whether standard input has ended.
  bool ended() const { return ended_; }
  // Whether a signal to stop has come.
  bool signalled() const { return signalled_; }
  // Whether one has come since the last call.
  bool TakeSignal() { return std::exchange(signalled_, false); }

 private:
  void Read();

  int signals_;
  std::string text_;
  bool ended_ = false;
  bool signalled_ = false;
};

}  // namespace dormouse::load
