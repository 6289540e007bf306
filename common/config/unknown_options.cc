#include "common/config/unknown_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <string_view>
#include <utility>

#include "common/nearest_name.h"
#include "common/trim.h"

namespace dormouse {
namespace {

constexpr std::string_view kPrefix = "DORMOUSE_";
// Of the tools beside the two processes.
constexpr std::string_view kOthers[] = {"BIN", "CONFIG", "IMAGE", "STATEKEEPER", "TOKEN", "VERSION"};

// As an option would be written: lower case, dashes.
std::string OptionName(std::string_view text) {
  std::string name(text);
  for (char& c : name) c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

std::string VariableName(const std::string& option) {
  std::string name(kPrefix);
  for (const char c : option) {
    name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return name;
}

// DORMOUSE_GATEWAY_SERVICE_HOST, DORMOUSE_PORT=tcp://..., DORMOUSE_PORT_8080_TCP_ADDR: Kubernetes describes
// the services of a namespace to all its containers.
bool IsOfService(std::string_view name, std::string_view value) {
  if (name.find("SERVICE_HOST") != std::string_view::npos ||
      name.find("SERVICE_PORT") != std::string_view::npos)
    return true;
  const size_t port = name.find("PORT");
  if (port == std::string_view::npos) return false;
  if (value.find("://") != std::string_view::npos) return true;
  const std::string_view rest = name.substr(port + 4);
  return rest.size() > 1 && rest[0] == '_' && std::isdigit(static_cast<unsigned char>(rest[1])) != 0;
}

}  // namespace

std::string UnknownVariable(const char* const* environment, const std::vector<std::string>& names) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const size_t equals = entry.find('=');
    if (!entry.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    const std::string_view name = entry.substr(kPrefix.size(), equals - kPrefix.size());
    const std::string option = OptionName(name);
    if (std::ranges::find(names, option) != names.end() || name.starts_with("TEST_") ||
        std::ranges::find(kOthers, name) != std::end(kOthers) ||
        IsOfService(name, entry.substr(equals + 1))) {
      continue;
    }
    const std::string nearest = NearestName(option, names);
    return fmt::format("The environment has {}{}, which is the variable of no option{}", kPrefix, name,
                       nearest.empty() ? ": take it away." : "; is it to be " + VariableName(nearest) + "?");
  }
  return "";
}

std::string UnknownFlag(const std::vector<std::string>& words, const std::vector<std::string>& names) {
  const auto flag =
      std::ranges::find_if(words, [](const std::string& word) { return word.starts_with("--"); });
  if (flag == words.end()) return "";
  const std::string name = flag->substr(2, flag->find('=') - 2);
  const std::string nearest = NearestName(name, names);
  return fmt::format("There is no option --{}{}", name,
                     nearest.empty() ? "." : "; is it to be --" + nearest + "?");
}

std::vector<ConfigKey> ConfigKeys(const std::string& path) {
  std::vector<ConfigKey> keys;
  std::ifstream file(path);
  std::string line;
  bool in_list = false;  // of several lines
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string_view text = Trim(line);
    if (in_list) {
      in_list = text.find(']') == std::string_view::npos;
      continue;
    }
    const size_t equals = text.find('=');
    if (text.empty() || text[0] == '#' || text[0] == ';') continue;
    if (text[0] == '[') {
      keys.push_back({std::string(text.substr(0, text.rfind(']') + 1)), number});
      continue;
    }
    keys.push_back({std::string(Trim(text.substr(0, equals))), number});
    if (equals == std::string_view::npos) continue;
    const std::string_view value = Trim(text.substr(equals + 1));
    in_list = value.starts_with("[") && value.find(']') == std::string_view::npos;
  }
  return keys;
}

std::string WrongKey(const std::string& path, const std::vector<std::string>& names) {
  std::map<std::string, int> lines;
  for (const auto& [key, line] : ConfigKeys(path)) {
    const auto refused = [&path, line = line](const std::string& why) {
      return fmt::format("{}:{}: {}", path, line, why);
    };
    if (key.starts_with('[')) {
      return refused(fmt::format(
          "{} begins a section, and there are none: one list of options serves all processes. Take "
          "this line away.",
          key));
    }
    if (std::ranges::find(names, key) == names.end()) {
      const std::string nearest = NearestName(OptionName(key.substr(key.rfind('.') + 1)), names);
      return refused(fmt::format("there is no option {}{}", key,
                                 nearest.empty() ? "; --help shows all." : "; is it to be " + nearest + "?"));
    }
    const auto [first, is_new] = lines.try_emplace(key, line);
    if (!is_new)
      return refused(fmt::format("{} is in line {} already; keep one of the two.", key, first->second));
  }
  return "";
}

}  // namespace dormouse
