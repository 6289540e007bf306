// dormouse-statekeeper: the statekeeper with the classes of the product.

#include <memory>
#include <string>

#include "common/auth/token_authority.h"
#include "statekeeper/classes/echo/echo_class.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/server.h"

int main(int argc, char** argv) {
  using namespace dormouse;
  std::unique_ptr<TokenAuthority> authority;
  return RunStatekeeper(argc, argv,
                        [&authority](const Options& options, HubClassRegistry* classes, std::string* error) {
                          if (authority == nullptr && options.auth_algorithm != "none") {
                            authority = NewTokenAuthority(options, error);
                            if (authority == nullptr) return false;
                          }
                          classes->Register(NewEchoClass(options));
                          classes->Register(NewSignalClass(options, authority.get()));
                          return classes->Disable(options.disabled_classes, error);
                        });
}
