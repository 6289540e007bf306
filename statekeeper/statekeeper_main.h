// The main function of a statekeeper: `dormouse-statekeeper` is one with the classes of the product, echo and
// signal; a program with classes of its own is another:
//
//   int main(int argc, char** argv) {
//     return dormouse::StatekeeperMain(
//         argc, argv, [](const dormouse::Options&, dormouse::HubClassRegistry* classes, std::string*) {
//           classes->Register(NewCounterClass());
//           return true;
//         });
//   }
//
// Such a program takes the same options, and is a member of a cluster like any other
// (statekeeper/hub/README.md).
#pragma once

#include "statekeeper/server.h"

namespace dormouse {

// `more` is called after echo and signal are registered, whenever that is done (RegisterClasses). Any of them
// can be left out by the option disabled-classes. Returns the status to exit with.
int StatekeeperMain(int argc, char** argv, const RegisterClasses& more = nullptr);

}  // namespace dormouse
