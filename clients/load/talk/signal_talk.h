// Class signal, protocol 1.0: each connection is an actor that connects, registers, and subscribes where
// there is a topic. A request is a tell to itself, which the hub forwards; actors can also send to each
// other, and publish.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clients/load/talk/numbered_text.h"
#include "clients/load/talk/talk.h"

namespace dormouse::load {

class JsonFrame;

class SignalTalk : public Talk {
 public:
  struct Options {
    uint32_t first = 0;  // the run's number of the worker's first connection
    uint32_t count = 0;
    size_t size = 60;                                  // bytes of data in a message
    std::string actors = "load/";                      // the connection's number is put behind it
    const std::vector<std::string>* tokens = nullptr;  // taken in turn; may be empty
    std::string topic;                                 // empty: none is subscribed to
    uint32_t publisher = UINT32_MAX;                   // this connection of the run does not subscribe
    bool resume = false;
  };
  SignalTalk(Voice* voice, Options options);

  Heard Begin(uint32_t connection) override;
  // A kMessage comes of connection `number` of the run; what it says is message(). The `number` of a kReady
  // is 1 where the session was there already.
  Heard OnFrame(uint32_t connection, std::string_view text) override;
  void Ask(uint32_t connection, uint32_t number) override;
  void Beat(uint32_t connection) override;

  // To connection `target` of the run. An `ask` wants a receipt.
  void Send(uint32_t connection, uint32_t target, uint32_t number, Nanos now, bool ask);
  // To those who subscribed to the topic; wants a receipt.
  void Publish(uint32_t connection, uint32_t number, Nanos now);

  // Of the last kMessage.
  struct Message {
    uint32_t number = 0;
    Nanos sent_at = 0;
    bool published = false;
  };
  const Message& message() const { return message_; }

 private:
  enum class Stage : uint8_t { kConnecting, kRegistering, kSubscribing, kReady };
  struct Session {
    Stage stage = Stage::kConnecting;
    std::string resume_token;
  };

  std::string ActorOf(uint32_t connection) const;
  void Put(uint32_t connection, std::string_view id, std::string_view type, bool ask,
           std::string_view payload);
  std::string Data(uint32_t number, Nanos now);
  Heard GoOn(uint32_t connection, Stage stage);
  Heard OnMessage(uint32_t connection, const JsonFrame& frame, std::string_view text);
  Heard OnAnswer(uint32_t connection, const std::string& type, const JsonFrame& frame, std::string_view text);
  // Which connection of the run the actor is.
  std::optional<uint32_t> ConnectionOf(std::string_view actor) const;

  Voice* const voice_;
  const Options options_;
  NumberedText text_;
  std::string frame_;
  std::vector<Session> sessions_;
  Message message_;
};

}  // namespace dormouse::load
