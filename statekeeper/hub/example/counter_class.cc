#include "counter_class.h"

#include <memory>
#include <string>

class Counter : public dormouse::Hub {
  void OnConnect(dormouse::Context& context, const dormouse::Connection& connection,
                 const dormouse::link::OpenRequest&) override {
    context.Send(connection.id, dormouse::Message::Text(context.Get("count").value_or("0")));
  }
  void OnMessage(dormouse::Context& context, const dormouse::Connection&, const dormouse::Message&) override {
    const std::string count = std::to_string(std::stoull(context.Get("count").value_or("0")) + 1);
    context.Put("count", count);
    context.Broadcast(dormouse::Message::Text(count));
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
