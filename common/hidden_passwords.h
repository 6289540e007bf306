// Passwords in URLs (redis://USER:PASSWORD@HOST, ...?sentinel-password=PASSWORD) are for nobody to see: not
// in what a process prints, nor in its command line, which `ps` shows to every user of the host.
#pragma once

#include <string>
#include <string_view>

namespace dormouse {

// The text with "***" in place of each password.
std::string WithoutPasswords(std::string_view text);

// The same in the command line of this process; `argv` as main got it. False: there was none. To be called
// before the process does anything that takes time: until then the passwords can be seen.
bool HidePasswords(int argc, char** argv);

}  // namespace dormouse
