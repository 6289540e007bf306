// dormouse-crash-statekeeper: a statekeeper with one more class, "crash" (sockets at /crash/NAME),
// which ends its process in any way that a hub class could. For tests; no part of the product.
//
// Messages that end it: "abort", "segv" (a null pointer), "throw" (an exception out of a noexcept function),
// "recurse" (endlessly), "hang-up" (_exit).
//
// "wake-abort", "close-abort": stored; from then on OnWake, or OnClose, aborts.
// "alarm MS", "alarm-abort MS": stored; an alarm in so many milliseconds, which sends "ring", or aborts.
//
// "timer NAME MS": a timer in so many milliseconds, which sends "timer NAME N": how often it has rung.
// "call NAME TEXT": stored; calls that hub of the class, and sends what it answers: "heard TEXT N", how many calls it has
// had, or what came of a call on ("call NAME TEXT").
//
// Everything else is stored. What is stored is sent back once it is durable. A failed message is answered
// with "failed: KIND".
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "statekeeper/statekeeper_main.h"

namespace dormouse {
namespace {

// NOLINTNEXTLINE(misc-no-recursion): that is what it is for.
int Recurse(volatile const int* depth) {
  if (*depth < 0) return 0;  // never
  volatile int more[1000];
  more[0] = *depth + 1;
  return Recurse(more) + more[0];
}

void Throw() { throw std::runtime_error("as asked"); }
void CallNoexcept(void (*function)()) noexcept { function(); }

class CrashHub : public Hub {
  void OnWake(Context& context) override {
    if (context.Get("wake-abort")) std::abort();
  }
  void OnMessage(Context& context, const Connection& from, const Message& message) override {
    const std::string text(message.data);
    if (text == "abort") std::abort();
    if (text == "segv") std::raise(SIGSEGV);
    if (text == "throw") CallNoexcept(&Throw);
    if (text == "hang-up") _exit(1);
    if (text == "recurse") {
      const volatile int depth = 0;
      Recurse(&depth);
    }
    if (text == "wake-abort" || text == "close-abort") context.Put(text, "1");
    if (text.starts_with("alarm")) {
      context.Put("alarm", text);
      context.SetAlarm(context.now_ms() + std::stoll(text.substr(text.find(' '))));
    }
    if (text.starts_with("timer ")) {
      const size_t end = text.find(' ', 6);
      context.SetTimer(text.substr(6, end - 6), context.now_ms() + std::stoll(text.substr(end)));
    }
    context.Put("last", text);
    if (text.starts_with("call ")) return context.Send(from.id, Message::Text(Ask(context, text)));
    context.Send(from.id, message);
  }
  void OnTimer(Context& context, std::string_view name) override {
    const std::string row = "rung " + std::string(name);
    const std::string count = std::to_string(std::stoull(context.Get(row).value_or("0")) + 1);
    context.Put(row, count);
    context.Broadcast(Message::Text("timer " + std::string(name) + " " + count));
  }
  void OnRequest(Context& context, std::string_view payload) override {
    const std::string text(payload);
    if (text.starts_with("call ")) return context.Reply(Ask(context, text));
    const std::string calls = std::to_string(std::stoull(context.Get("calls").value_or("0")) + 1);
    context.Put("calls", calls);
    context.Reply("heard " + text + " " + calls);
  }
  void OnClose(Context& context, const Connection&, const CloseInfo&) override {
    if (context.Get("close-abort")) std::abort();
  }
  void OnAlarm(Context& context) override {
    if (context.Get("alarm").value_or("").starts_with("alarm-abort")) std::abort();
    context.Put("rings", context.Get("rings").value_or("") + "x");
    context.Broadcast(Message::Text("ring"));
  }
  void OnFailure(Context& context, const Connection& from, const Message&, Failure why) override {
    const char* kind = why == Failure::kPoison ? "poison" : why == Failure::kStore ? "store" : "handler";
    context.Send(from.id, Message::Text(std::string("failed: ") + kind));
  }

 private:
  static std::string Ask(Context& context, const std::string& text) {
    const size_t end = text.find(' ', 5);
    const Context::CallAnswer answer = context.Call("crash", text.substr(5, end - 5), text.substr(end + 1));
    return answer.failure.empty() ? answer.payload : "no answer: " + answer.failure;
  }
};

class CrashClass : public HubClass {
 public:
  CrashClass() {
    profile_.set_name("crash");
    profile_.add_routes()->set_path("/crash/{name}");
    profile_.set_max_message_size(1u << 20);
  }
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<CrashHub>(); }

 private:
  link::ClassProfile profile_;
};

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) {
  using namespace dormouse;
  return StatekeeperMain(argc, argv, [](const Options&, HubClassRegistry* classes, std::string*) {
    classes->Register(std::make_unique<CrashClass>());
    return true;
  });
}
