// Where the programs are that run apps, on this machine: a version that was built on another one names them as
// "{hubs}/js/host.mjs".
//
// Any thread.
#pragma once

#include <string>

#include "statekeeper/classes/worker/app_manifest.h"

namespace dormouse {

// The directory of hosts that belongs to a program: of the same installation, of the packages, or of the checkout
// that it was built in. Empty: there is none; `*looked`: where it would be.
std::string FindHostPrograms(const std::string& program, std::string* looked);

// Puts it in its command and environment. False: it names one and there is none; `*error` is a sentence.
bool NameHostPrograms(AppManifest* manifest, std::string* error);

}  // namespace dormouse
