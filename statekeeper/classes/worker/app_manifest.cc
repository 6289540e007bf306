#include "statekeeper/classes/worker/app_manifest.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "common/json/json_reader.h"

namespace dormouse {
namespace {

bool IsClassName(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](unsigned char c) {
    return (std::isalnum(c) != 0) || c == '_' || c == '-' || c == '$' || c == '.';
  });
}

// The strings of an array; nothing: it is none, or holds something else.
std::optional<std::vector<std::string>> Strings(JsonSlice array) {
  const auto elements = JsonElements(array);
  if (!elements) return std::nullopt;
  std::vector<std::string> strings;
  for (const JsonSlice element : *elements) {
    auto text = JsonString(element);
    if (!text) return std::nullopt;
    strings.push_back(std::move(*text));
  }
  return strings;
}

std::optional<AppManifest::Class> ReadClass(JsonSlice text, std::string* wrong) {
  const JsonObject object(text);
  AppManifest::Class read;
  read.name = JsonString(object.Find("name")).value_or("");
  if (!IsClassName(read.name)) {
    *wrong = "a class needs a \"name\" of letters, digits, '_', '-', '$' and '.'";
    return std::nullopt;
  }
  if (const JsonSlice routes = object.Find("routes"); !IsJsonNothing(routes)) {
    const auto paths = Strings(routes);
    if (!paths) {
      *wrong = "\"routes\" of class " + read.name + " must be an array of paths";
      return std::nullopt;
    }
    read.routes = *paths;
  }
  if (const JsonSlice size = object.Find("max_message_size"); !IsJsonNothing(size)) {
    const double bytes = JsonNumber(size).value_or(0);
    if (bytes < 1 || bytes > (32u << 20)) {
      *wrong = "\"max_message_size\" of class " + read.name + " must be a number of bytes, at most 33554432";
      return std::nullopt;
    }
    read.max_message_size = static_cast<uint64_t>(bytes);
  }
  read.ids = object.Find("ids") == "true";
  return read;
}

std::optional<AppManifest> Parse(const std::string& text, std::string* wrong) {
  if (!IsValidJson(text) || text[text.find_first_not_of(" \t\r\n")] != '{') {
    *wrong = "it is not a JSON object";
    return std::nullopt;
  }
  const JsonObject object(text);
  AppManifest app;
  app.name = JsonString(object.Find("name")).value_or("app");
  app.version = JsonString(object.Find("version")).value_or("");
  if (app.version.empty()) {
    *wrong = "\"version\" is missing: a text that is another one whenever the code is";
    return std::nullopt;
  }
  const auto command = Strings(object.Find("command"));
  if (!command || command->empty()) {
    *wrong = "\"command\" must be an array of strings: the program that runs the code, and its arguments";
    return std::nullopt;
  }
  app.command = *command;
  const JsonObject environment(object.Find("environment"));
  for (const JsonMember& variable : environment.members()) {
    const auto value = JsonString(variable.value);
    if (!value) {
      *wrong = "\"environment\" must have strings; that of " + variable.key() + " is none";
      return std::nullopt;
    }
    app.environment[variable.key()] = *value;
  }
  app.http = object.Find("http") == "true";
  const auto classes = JsonElements(object.Find("classes"));
  if (!classes) {
    *wrong = "\"classes\" must be an array of objects";
    return std::nullopt;
  }
  std::set<std::string> names;
  for (const JsonSlice each : *classes) {
    auto read = ReadClass(each, wrong);
    if (!read) return std::nullopt;
    if (!names.insert(read->name).second) {
      *wrong = "class " + read->name + " is there twice";
      return std::nullopt;
    }
    app.classes.push_back(std::move(*read));
  }
  return app;
}

}  // namespace

std::optional<AppManifest> AppManifest::Read(const std::string& directory, std::string* error) {
  std::error_code none;
  const std::filesystem::path real = std::filesystem::canonical(directory, none);
  if (none) {
    *error = "--app " + directory + ": " + none.message();
    return std::nullopt;
  }
  const std::string file = real / "workers.json";
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    *error = "--app " + directory +
             " must be a directory with a file workers.json, which deploy/local up --app makes of a project";
    return std::nullopt;
  }
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  std::string wrong;
  std::optional<AppManifest> app = Parse(text, &wrong);
  if (!app) {
    *error = file + ": " + wrong;
    return std::nullopt;
  }
  app->directory = real;
  return app;
}

}  // namespace dormouse
