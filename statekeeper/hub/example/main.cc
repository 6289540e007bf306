#include "counter_class.h"
#include "statekeeper/statekeeper_main.h"

int main(int argc, char** argv) {
  return dormouse::StatekeeperMain(
      argc, argv, [](const dormouse::Options&, dormouse::HubClassRegistry* classes, std::string*) {
        classes->Register(NewCounterClass());
        return true;
      });
}
