// What the connections of one worker say in the words of a hub class, and what the class's frames mean.
// Connections are named by their number among the worker's. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "clients/load/clock.h"

namespace dormouse::load {

// How a talk makes itself heard. Somebody else's.
class Voice {
 public:
  virtual ~Voice() = default;
  virtual void Say(uint32_t connection, std::string_view text) = 0;
  // Calls OnTime of the talk then, unless the connection is lost.
  virtual void Remind(uint32_t connection, Nanos when) = 0;
};

// What a frame means.
struct Heard {
  enum class What : uint8_t {
    kNothing,  // worth telling
    kReady,    // the connection may be asked
    kReply,    // to the request `number`
    kBeat,     // a heartbeat is acknowledged
    kMessage,  // of connection `number` of the run: see the talk
    kReceipt,  // of what was sent under `number`
    kWrong,    // what nobody could expect; the talk's trouble() says what
    kRefused,  // the server says no, likewise
    kNotYet,   // the connection cannot be made ready now, likewise: to be tried again
  };
  What what = What::kNothing;
  uint32_t number = 0;
};

class Talk {
 public:
  virtual ~Talk() = default;

  // The socket is open: says what comes first. What an earlier socket said is over.
  virtual Heard Begin(uint32_t connection) = 0;
  virtual Heard OnFrame(uint32_t connection, std::string_view text) = 0;
  virtual Heard OnTime(uint32_t /*connection*/) { return {}; }

  // The request with that number of a connection that is ready; numbers are given in order.
  virtual void Ask(uint32_t connection, uint32_t number) = 0;
  // A heartbeat, where the class has some; else a request has to do.
  virtual bool has_beats() const { return true; }
  virtual void Beat(uint32_t connection) = 0;

  const std::string& trouble() const { return trouble_; }

 protected:
  Heard Trouble(Heard::What what, std::string text) {
    trouble_ = std::move(text);
    return {.what = what};
  }

 private:
  std::string trouble_;
};

// For messages about frames.
inline std::string Shortened(std::string_view text) {
  constexpr size_t kEnough = 240;
  return text.size() <= kEnough ? std::string(text) : std::string(text.substr(0, kEnough)) + "...";
}

}  // namespace dormouse::load
