#include "statekeeper/store/redis_files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace dormouse {

std::optional<std::string> ReadPassword(const std::string& option, const std::string& path,
                                        std::string* error) {
  std::ifstream file(path);
  std::string password;
  if (!file || (!std::getline(file, password) && file.bad())) {
    *error = fmt::format("the file of {}, {}, cannot be read: {}", option, path, std::strerror(errno));
    return std::nullopt;
  }
  if (password.ends_with('\r')) password.pop_back();
  std::string more;
  if (password.empty() || std::getline(file, more)) {
    *error = fmt::format("the file of {}, {}, must hold one line: the password", option, path);
    return std::nullopt;
  }
  return password;
}

}  // namespace dormouse
