#include "statekeeper/statekeeper_main.h"

#include <memory>
#include <string>

#include "common/auth/token_authority.h"
#include "statekeeper/classes/callback/callback_class.h"
#include "statekeeper/classes/echo/echo_class.h"
#include "statekeeper/classes/signal/signal_class.h"

namespace dormouse {

int StatekeeperMain(int argc, char** argv, const RegisterClasses& more) {
  std::unique_ptr<TokenAuthority> authority;
  CallbackClasses callbacks;
  return RunStatekeeper(
      argc, argv,
      [&authority, &callbacks, &more](const Options& options, HubClassRegistry* classes, std::string* error) {
        if (authority == nullptr && options.auth_algorithm != "none") {
          authority = NewTokenAuthority(options, error);
          if (authority == nullptr) return false;
        }
        // An app has the clients' port for itself. One that is deployed later takes it over.
        const bool alone = options.app.empty();
        if (alone) classes->RegisterUntilApp(NewEchoClass(options));
        if (alone) classes->RegisterUntilApp(NewSignalClass(options, authority.get()));
        if (!callbacks.Register(options, classes, error)) return false;
        if (more != nullptr && !more(options, classes, error)) return false;
        return !alone || classes->Disable(options.disabled_classes, error);
      });
}

}  // namespace dormouse
