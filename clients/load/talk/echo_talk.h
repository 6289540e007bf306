// Class echo: each request comes back with what it said, under the connection's own id, whatever happened to
// the hub.
#pragma once

#include <array>
#include <vector>

#include "clients/load/talk/numbered_text.h"
#include "clients/load/talk/talk.h"

namespace dormouse::load {

class EchoTalk : public Talk {
 public:
  // For the run's connections from `first` on; `size`: bytes of a request.
  EchoTalk(Voice* voice, uint32_t first, uint32_t count, size_t size);

  Heard Begin(uint32_t connection) override;
  Heard OnFrame(uint32_t connection, std::string_view text) override;
  void Ask(uint32_t connection, uint32_t number) override;
  void Beat(uint32_t connection) override;

 private:
  using Id = std::array<char, 36>;

  Heard OnOther(uint32_t connection, std::string_view text);
  bool EndsAsItShould(uint32_t connection, std::string_view text) const;

  Voice* const voice_;
  const uint32_t first_;
  NumberedText said_;
  std::string request_;
  std::vector<Id> ids_;  // by connection, as its welcome says; zeros: it is not welcome yet
};

}  // namespace dormouse::load
