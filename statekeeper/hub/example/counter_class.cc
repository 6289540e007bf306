#include "counter_class.h"

#include <memory>
#include <string>
#include <string_view>

class Counter : public dormouse::Hub {
  void OnConnect(dormouse::Context& context, const dormouse::Connection& connection,
                 const dormouse::link::OpenRequest&) override {
    context.Send(connection.id, dormouse::Message::Text(context.Get("count").value_or("0")));
  }
  void OnMessage(dormouse::Context& context, const dormouse::Connection& connection,
                 const dormouse::Message& message) override {
    if (message.data.starts_with("and ")) {  // "and NAME": with that of another counter
      const auto other = context.Call("counter", message.data.substr(4), "");
      if (!other.failure.empty()) return context.Send(connection.id, dormouse::Message::Text(other.failure));
      const auto sum = std::stoull(context.Get("count").value_or("0")) + std::stoull(other.payload);
      return context.Send(connection.id, dormouse::Message::Text(std::to_string(sum)));
    }
    const std::string count = std::to_string(std::stoull(context.Get("count").value_or("0")) + 1);
    context.Put("count", count);
    context.SetTimer("quiet", context.now_ms() + 60'000);
    context.Broadcast(dormouse::Message::Text(count));
  }
  // Nobody has said anything for a minute.
  void OnTimer(dormouse::Context& context, std::string_view) override {
    context.Delete("count");
    context.Broadcast(dormouse::Message::Text("0"));
  }
  void OnRequest(dormouse::Context& context, std::string_view) override {
    context.Reply(context.Get("count").value_or("0"));
  }
};

class CounterClass : public dormouse::HubClass {
 public:
  CounterClass() {
    profile_.set_name("counter");
    profile_.add_routes()->set_path("/counter/{name}");
    profile_.set_max_message_size(1024);
  }
  const dormouse::link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<dormouse::Hub> NewHub() const override { return std::make_unique<Counter>(); }

 private:
  dormouse::link::ClassProfile profile_;
};

std::unique_ptr<dormouse::HubClass> NewCounterClass() { return std::make_unique<CounterClass>(); }
