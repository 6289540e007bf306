#include "statekeeper/data_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>

namespace dormouse {
namespace {

namespace fs = std::filesystem;

// What deploy/run.md lists below the data directory. The store has files beside it: dormouse.db-wal, ...
constexpr std::array<std::string_view, 9> kNames = {
    "run", "logs", "redis", "app", "app-versions", "admin-key", "api-key", "cluster-secret", "gateways"};
constexpr std::string_view kStore = "dormouse.db";

bool IsOfCluster(const fs::path& path) {
  const std::string name = path.filename();
  return name.starts_with(kStore) || std::ranges::find(kNames, name) != kNames.end();
}

bool HoldsOnlyACluster(const fs::path& directory) {
  std::error_code failed;
  const fs::directory_iterator entries(directory, failed);
  return !failed && std::ranges::all_of(entries, [](const auto& entry) { return IsOfCluster(entry.path()); });
}

}  // namespace

bool CloseDataDirectory(const fs::path& directory) {
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) return false;
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) == 0) return true;
  return info.st_uid == geteuid() && HoldsOnlyACluster(directory) && chmod(directory.c_str(), S_IRWXU) == 0;
}

}  // namespace dormouse
