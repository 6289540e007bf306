// dormouse-mirror-statekeeper: a statekeeper with two more classes, which add nothing of their own to what
// clients hear, so that frames can be judged exactly. For tests; no part of the product.
//
// "mirror" (sockets at /mirror/NAME): each message goes back as it came, text or binary.
//
// "crier" (/crier/NAME): each message goes to all others of the hub as it came; but "close CODE REASON"
// closes them.
//
// Both tell those who are left how a socket ended: "closed CODE by client REASON", or "by edge".
//
// Neither has an answer for a message over max-message-size: its socket is closed (1009).
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "statekeeper/statekeeper_main.h"

namespace dormouse {
namespace {

class MirrorHub : public Hub {
 public:
  void OnMessage(Context& context, const Connection& from, const Message& message) override {
    context.Send(from.id, message.binary ? Message::Binary(message.data) : Message::Text(message.data));
  }
  void OnClose(Context& context, const Connection&, const CloseInfo& info) override {
    context.Broadcast(Message::Text("closed " + std::to_string(info.code) + " by " +
                                    (info.by_client ? "client" : "edge") + " " + std::string(info.reason)));
  }
};

class CrierHub : public MirrorHub {
  void OnMessage(Context& context, const Connection& from, const Message& message) override {
    constexpr std::string_view kClose = "close ";
    if (!message.binary && message.data.starts_with(kClose)) {
      CloseOthers(context, from.id, message.data.substr(kClose.size()));
      return;
    }
    context.Broadcast(message.binary ? Message::Binary(message.data) : Message::Text(message.data), {},
                      from.id);
  }
  static void CloseOthers(Context& context, const ConnectionId& except, std::string_view how) {
    uint16_t code = 0;
    const auto [end, error] = std::from_chars(how.data(), how.data() + how.size(), code);
    if (error != std::errc()) return;
    how.remove_prefix(static_cast<size_t>(end - how.data()));
    if (how.starts_with(' ')) how.remove_prefix(1);
    for (const ConnectionId& id : context.Connections()) {
      if (id != except) context.Close(id, code, how);
    }
  }
};

template <class HubType>
class PlainClass : public HubClass {
 public:
  PlainClass(const std::string& name, const Options& options) {
    profile_.set_name(name);
    profile_.add_routes()->set_path("/" + name + "/{name}");
    profile_.set_max_message_size(options.max_message_size);
    profile_.set_outbound_pause(options.outbound_pause);
    profile_.set_outbound_resume(options.outbound_resume);
    profile_.set_outbound_limit(options.outbound_limit);
  }
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<HubType>(); }

 private:
  link::ClassProfile profile_;
};

bool RegisterBoth(const Options& options, HubClassRegistry* classes, std::string* /*error*/) {
  classes->Register(std::make_unique<PlainClass<MirrorHub>>("mirror", options));
  classes->Register(std::make_unique<PlainClass<CrierHub>>("crier", options));
  return true;
}

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) { return dormouse::StatekeeperMain(argc, argv, dormouse::RegisterBoth); }
