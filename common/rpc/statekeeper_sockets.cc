#include "common/rpc/statekeeper_sockets.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace dormouse {
namespace {

constexpr std::string_view kPrefix = "statekeeper-";
constexpr std::string_view kSuffix = ".sock";

std::vector<std::string> SocketsIn(const std::string& directory, std::string* trouble) {
  std::vector<std::string> found;
  struct stat info {};
  const bool known = stat(directory.c_str(), &info) == 0;
  if (known && ((info.st_uid != geteuid() && geteuid() != 0) || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
    *trouble = fmt::format("{} belongs to others, or they can write to it: who listens there is not known.",
                           directory);
    return found;
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string file = entry.path().filename();
    if (file.starts_with(kPrefix) && file.ends_with(kSuffix)) {
      found.push_back(std::string(kUnixScheme) + entry.path().string());
    }
  }
  if (error) *trouble = fmt::format("{} cannot be read: {}.", directory, error.message());
  std::ranges::sort(found);
  return found;
}

}  // namespace

std::string StatekeeperSocket(const std::string& directory, uint64_t incarnation) {
  return fmt::format("{}/{}{:016x}{}", directory, kPrefix, incarnation, kSuffix);
}

std::vector<std::string> FindStatekeepers(const std::vector<std::string>& targets, std::string* trouble) {
  std::vector<std::string> found;
  for (const std::string& target : targets) {
    std::error_code ignored;
    const std::string path = IsUnixTarget(target) ? target.substr(kUnixScheme.size()) : "";
    if (path.empty() || !std::filesystem::is_directory(path, ignored)) {
      found.push_back(target);
      continue;
    }
    const std::vector<std::string> sockets = SocketsIn(path, trouble);
    found.insert(found.end(), sockets.begin(), sockets.end());
  }
  return found;
}

}  // namespace dormouse
