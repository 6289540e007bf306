// Any server that says back each frame as it is, heartbeats too; it says nothing of its own accord.
#pragma once

#include "clients/load/talk/numbered_text.h"
#include "clients/load/talk/talk.h"

namespace dormouse::load {

class RawTalk : public Talk {
 public:
  // For the run's connections from `first` on; `size`: bytes of a request.
  RawTalk(Voice* voice, uint32_t first, size_t size) : voice_(voice), first_(first), said_(size) {}

  Heard Begin(uint32_t) override { return {.what = Heard::What::kReady}; }

  Heard OnFrame(uint32_t connection, std::string_view text) override {
    if (text == kBeat) return {.what = Heard::What::kBeat};
    const auto number = said_.NumberIn(text, first_ + connection);
    if (number.has_value()) return {.what = Heard::What::kReply, .number = *number};
    return Trouble(Heard::What::kWrong, "not what this connection said: " + Shortened(text));
  }

  void Ask(uint32_t connection, uint32_t number) override {
    voice_->Say(connection, said_.Of(first_ + connection, number));
  }
  void Beat(uint32_t connection) override { voice_->Say(connection, kBeat); }

 private:
  static constexpr std::string_view kBeat = "beat";

  Voice* const voice_;
  const uint32_t first_;
  NumberedText said_;
};

}  // namespace dormouse::load
