// The way back into a hub for who goes on with an event after its handler has returned: a hub class whose code
// runs in another process, or that waits for an answer from elsewhere.
//
//   void OnMessage(Context& context, const Connection& from, const Message& message) override {
//     const uint64_t event = context.Defer();                     // it is not done when this returns
//     AskElsewhere(message, [port = context.port(), event, id = from.id](std::string answer) {
//       port->Resume({.run = [&](Context& later) { later.Send(id, Message::Text(answer)); }, .finishes = event});
//     });
//   }
//
// A deferred event counts as not handled until a resumption finishes it: its gateway keeps it, after a crash it comes
// again, and the hub does not fall asleep. The hub's next events are handled meanwhile, up to a bound of deferred ones.
//
// A port belongs to one Hub object. When that is gone (a handler or a resumption failed, a commit failed, Restart) what
// is said through it counts for nothing any more, and its deferred events are handled again, in their order, by the
// object that follows. One to which this happens too often (option max-attempts) is given up: Failure::kPoison.
//
// On the lane's thread, like the hub itself. The port may outlive the hub.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace dormouse {

class Context;

class HubPort {
 public:
  // Runs like a handler: as a whole or not at all, and what it sends leaves when its writes are durable. Resumptions of
  // a hub run in the order in which they were given, before events that have not begun.
  struct Resumption {
    std::function<void(Context&)> run;
    uint64_t finishes = 0;  // the event that Defer gave this number is done with it; 0: none is
    // Not empty: that event has failed, though `run` counts: it ends as if its handler had thrown this. With `finishes`.
    std::string failure = {};
    uint64_t belongs_to = 0;  // a deferred event for which it runs, and which goes on; 0: none, or `finishes`
    // Runs when what it, and all before it, has written is durable; not at all if that does not come to pass.
    std::function<void()> durable = {};
  };

  virtual ~HubPort() = default;

  virtual void Resume(Resumption resumption) = 0;
  // The hub goes on, for one thing or another, though no event is under way: it does not fall asleep.
  virtual void Hold(bool hold) = 0;
  // The object is of no use any more: another one is made before the next event.
  virtual void Restart() = 0;
};

}  // namespace dormouse
