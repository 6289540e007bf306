#include "deploy/ctl/built_app.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "common/bundle/app_bundle.h"
#include "common/json/json_reader.h"
#include "common/temp_dir.h"
#include "deploy/ctl/failure.h"

extern char** environ;

namespace dormouse {
namespace {

namespace fs = std::filesystem;

constexpr char kManifest[] = "workers.json";
constexpr std::array kProjects = {"wrangler.json", "wrangler.jsonc", "wrangler.toml",
                                  "dormouse.toml"};  // deploy/apps/kinds.py

// Of the checkout that this program was built in; else the package's.
std::string Builder() {
  std::error_code none;
  const fs::path checkout =
      fs::read_symlink("/proc/self/exe", none).parent_path() / "../../../deploy/build-app";
  return fs::exists(checkout, none) ? checkout.lexically_normal().string() : "dormouse-build-app";
}

int Run(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.data()));
  arguments.push_back(nullptr);
  // What it says of what it has made is not what this program answers.
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    throw Failure(
        Exit::kFailed,
        fmt::format("A project is built by {} (package dormouse-hubs), which cannot be started: {}. A "
                    "directory that it has made elsewhere (--portable) can be deployed without it.",
                    words[0], std::strerror(failed)));
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

BuiltApp ReadBuilt(const std::string& directory) {
  std::ifstream stream(fs::path(directory) / kManifest, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  const std::string file = fmt::format("{}/{}", directory, kManifest);
  if (!IsValidJson(text) || !IsJsonObject(text))
    throw Failure(Exit::kFailed, fmt::format("{} is not a JSON object.", file));
  const JsonObject manifest(text);
  BuiltApp app;
  app.name = JsonString(manifest.Find("name")).value_or("app");
  for (const JsonSlice each : JsonElements(manifest.Find("classes")).value_or(std::vector<JsonSlice>())) {
    const JsonObject described(each);
    if (described.Find("internal") == "true") continue;
    auto name = JsonString(described.Find("class"));
    if (!name) name = JsonString(described.Find("name"));
    if (name) app.classes.push_back(*name);
  }
  std::string error;
  app.bundle = PackBundle(directory, {}, &error);
  if (app.bundle.empty()) throw Failure(Exit::kFailed, error + ".");
  return app;
}

}  // namespace

BuiltApp ReadApp(const std::string& directory, const std::string& environment) {
  std::error_code none;
  const bool is_built = fs::exists(fs::path(directory) / kManifest, none);
  if (is_built && environment.empty()) return ReadBuilt(directory);
  if (is_built)
    throw Failure(Exit::kUsage, fmt::format("--env is for projects; {} is built already.", directory));
  bool is_project = false;
  for (const char* name : kProjects) is_project |= fs::exists(fs::path(directory) / name, none);
  if (!is_project) {
    throw Failure(Exit::kUsage, fmt::format("{} is neither a project ({}) nor an app directory ({}).",
                                            directory, fmt::join(kProjects, ", "), kManifest));
  }
  const TempDir made;
  const std::string built = made / "built";
  std::vector<std::string> words = {Builder(), directory, made / "versions", "--portable", built};
  if (!environment.empty()) words.insert(words.end(), {"--env", environment});
  if (Run(words) != 0)
    throw Failure(Exit::kFailed, fmt::format("{} cannot be built; nothing was changed.", directory));
  return ReadBuilt(built);
}

}  // namespace dormouse
