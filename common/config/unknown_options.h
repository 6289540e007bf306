// What the environment, a config file or the command line says and is no option: whoever wrote it meant another one, and would
// wait in vain for an effect.
#pragma once

#include <string>
#include <vector>

namespace dormouse {

// `environment`: NAME=VALUE, ended by a null pointer. Empty, or a sentence about the first variable that
// begins as those of options do, belongs to none of `names` (as flags have them, without the dashes) and is
// none that others set: tools of the product, or Kubernetes for a service called dormouse.
std::string UnknownVariable(const char* const* environment, const std::vector<std::string>& names);

// The same of `words` of a command line, which no option has taken: of the first that is a flag.
std::string UnknownFlag(const std::vector<std::string>& words, const std::vector<std::string>& names);

// What a config file gives a value to, in its order. A file that cannot be read has nothing.
struct ConfigKey {
  std::string key;
  int line = 0;
};
std::vector<ConfigKey> ConfigKeys(const std::string& path);

// The same of the keys of a config file, with file and line. A file that cannot be read has none.
std::string UnknownKey(const std::string& path, const std::vector<std::string>& names);

}  // namespace dormouse
