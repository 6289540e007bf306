#include "statekeeper/apps/host_programs.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

namespace dormouse {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlace = "{hubs}";

bool Replace(std::string* text, const std::string& directory) {
  const size_t at = text->find(kPlace);
  if (at == std::string::npos) return false;
  text->replace(at, kPlace.size(), directory);
  return true;
}

}  // namespace

std::string FindHostPrograms(const std::string& program, std::string* looked) {
  const fs::path beside = fs::path(program).parent_path();
  const std::vector<fs::path> places = {beside / "../share/dormouse/hubs", "/usr/share/dormouse/hubs",
                                        beside / "../../../clients/hubs"};
  for (const fs::path& place : places) {
    std::error_code none;
    if (fs::is_directory(place, none)) return fs::canonical(place, none);
    *looked += (looked->empty() ? "" : ", ") + place.lexically_normal().string();
  }
  return "";
}

bool NameHostPrograms(AppManifest* manifest, std::string* error) {
  std::error_code none;
  std::string looked;
  const std::string found = FindHostPrograms(fs::read_symlink("/proc/self/exe", none), &looked);
  bool is_named = false;
  for (std::string& word : manifest->command) is_named |= Replace(&word, found);
  for (auto& [name, value] : manifest->environment) is_named |= Replace(&value, found);
  if (is_named && found.empty()) {
    *error = fmt::format("the programs that run apps are not there (package dormouse-hubs): it looked in {}",
                         looked);
    return false;
  }
  return true;
}

}  // namespace dormouse
