// What the environment, a config file or the command line says in vain: it is no option, is empty, or is said twice. Whoever
// wrote it meant something else, and would wait for an effect.
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

// What a config file gives a value to, in its order, and the headings of sections ("[gateway]"). A file that cannot be read
// has nothing.
struct ConfigKey {
  std::string key;
  int line = 0;
};
std::vector<ConfigKey> ConfigKeys(const std::string& path);

// Of the keys of a config file, with file and line: of the first that is none of `names`, a section, or there twice. A file
// that cannot be read has none.
std::string WrongKey(const std::string& path, const std::vector<std::string>& names);

}  // namespace dormouse
