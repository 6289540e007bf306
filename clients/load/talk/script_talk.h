// What a script says. Of each connection one request is under way at a time; others wait for their turn.
#pragma once

#include <memory>
#include <vector>

#include "clients/load/talk/script.h"
#include "clients/load/talk/talk.h"

namespace dormouse::load {

class ScriptTalk : public Talk {
 public:
  // For the run's connections from `first` on.
  ScriptTalk(Voice* voice, std::shared_ptr<const Script> script, uint32_t first, uint32_t count)
      : voice_(voice), script_(std::move(script)), first_(first), places_(count) {}

  Heard Begin(uint32_t connection) override;
  Heard OnFrame(uint32_t connection, std::string_view text) override;
  Heard OnTime(uint32_t connection) override;
  void Ask(uint32_t connection, uint32_t number) override;
  bool has_beats() const override { return false; }
  void Beat(uint32_t) override {}

 private:
  struct Place {
    size_t line = 0;
    bool greets = true;
    bool waits = false;         // for time to pass
    bool skips = false;         // waits for a frame, whatever it says
    uint32_t number = 0;        // of the request that is under way, or of the next
    uint32_t asked = 0;         // requests in all
    std::string expected = {};  // empty: nothing
  };

  const std::vector<Script::Line>& LinesOf(const Place& place) const {
    return place.greets ? script_->greeting() : script_->loop();
  }
  // Plays until something has to come, or all is said.
  Heard Play(uint32_t connection);

  Voice* const voice_;
  const std::shared_ptr<const Script> script_;
  const uint32_t first_;
  std::vector<Place> places_;
};

}  // namespace dormouse::load
