// A statekeeper process, whatever its hub classes: opens the store, runs a lane per core, serves gateways and
// joins the cluster, which gives it shards. Its main function says which classes there are:
//
//   int main(int argc, char** argv) {
//     return RunStatekeeper(argc, argv, [](const Options& options, HubClassRegistry* classes, std::string*) {
//       classes->Register(NewEchoClass(options));
//       return true;
//     });
//   }
#pragma once

#include <functional>
#include <string>

#include "common/config/options.h"
#include "statekeeper/hub/registry.h"

namespace dormouse {

// Called on the main thread: once before anything is started, and each time that options have changed while
// the process runs (SIGHUP); then for the same classes, beside the former ones, which hubs still use for a
// while. False: `*error` is a sentence for the operator.
using RegisterClasses =
    std::function<bool(const Options& options, HubClassRegistry* classes, std::string* error)>;

// Serves until SIGTERM or SIGINT. Returns the status to exit with.
int RunStatekeeper(int argc, char** argv, const RegisterClasses& register_classes);

}  // namespace dormouse
