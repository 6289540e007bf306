#include "clients/load/talk/script_talk.h"

#include <utility>

namespace dormouse::load {

Heard ScriptTalk::Begin(uint32_t connection) {
  Place& place = places_[connection];
  // Requests that an earlier socket lost are not played again.
  place = {.number = place.asked, .asked = place.asked};
  return Play(connection);
}

Heard ScriptTalk::Play(uint32_t connection) {
  Place& place = places_[connection];
  const std::vector<Script::Line>& lines = LinesOf(place);
  while (place.line < lines.size()) {
    const Script::Line& line = lines[place.line];
    if (line.verb == Script::Verb::kWait) {
      place.waits = true;
      voice_->Remind(connection, Now() + line.wait_ms * kMillisecond);
      return {};
    }
    if (line.verb == Script::Verb::kSkip) {
      place.skips = true;
      return {};
    }
    std::string text = Filled(line.text, first_ + connection, place.number);
    if (line.verb == Script::Verb::kExpect) {
      place.expected = std::move(text);
      return {};
    }
    voice_->Say(connection, text);
    ++place.line;
  }
  place.line = 0;
  if (std::exchange(place.greets, false)) return {.what = Heard::What::kReady};
  const uint32_t done = place.number++;
  if (place.number < place.asked) Play(connection);
  return {.what = Heard::What::kReply, .number = done};
}

Heard ScriptTalk::OnFrame(uint32_t connection, std::string_view text) {
  Place& place = places_[connection];
  text = script_->WithoutIgnored(text);
  if (std::exchange(place.skips, false) || (!place.expected.empty() && Matches(place.expected, text))) {
    place.expected.clear();
    ++place.line;
    return Play(connection);
  }
  if (script_->IsIgnored(text, first_ + connection, place.number)) return {};
  // Which request it would have answered: the last one's may have come again.
  const auto would_answer = [&](uint32_t number) {
    for (const Script::Line& line : script_->loop()) {
      if (line.verb == Script::Verb::kExpect && Matches(Filled(line.text, first_ + connection, number), text))
        return true;
    }
    return false;
  };
  if (!place.greets && place.number > 0 && would_answer(place.number - 1)) {
    return {.what = Heard::What::kReply, .number = place.number - 1};
  }
  return Trouble(Heard::What::kWrong,
                 (place.expected.empty() ? "nothing was expected" : "not " + place.expected) +
                     ", but there came " + Shortened(text));
}

Heard ScriptTalk::OnTime(uint32_t connection) {
  Place& place = places_[connection];
  if (!std::exchange(place.waits, false)) return {};
  ++place.line;
  return Play(connection);
}

void ScriptTalk::Ask(uint32_t connection, uint32_t) {
  Place& place = places_[connection];
  if (place.asked++ == place.number) Play(connection);
}

}  // namespace dormouse::load
