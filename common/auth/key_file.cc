#include "common/auth/key_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "common/logging.h"

namespace dormouse {
namespace {

constexpr uintmax_t kMaxFileBytes = 1 << 20;

}  // namespace

std::string KeyFileSentence(const std::string& option, const std::string& path, const std::string& end) {
  return "--" + option + ": " + path + " " + end;
}

std::optional<std::string> ReadKeyFile(const std::string& option, const std::string& path,
                                       std::string* wrong) {
  if (path.empty()) {
    *wrong = "--" + option + " is missing: name the file with the key";
    return std::nullopt;
  }
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::is_regular_file(status)) {
    *wrong = KeyFileSentence(option, path, std::filesystem::exists(status) ? "is no file" : "does not exist");
    return std::nullopt;
  }
  if (std::filesystem::file_size(path, error) > kMaxFileBytes) {
    *wrong = KeyFileSentence(option, path, "is larger than 1 MiB");
    return std::nullopt;
  }
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad()) {
    *wrong = KeyFileSentence(option, path, "cannot be read");
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> ReadSecretFile(const std::string& option, const std::string& path,
                                          std::string* wrong) {
  auto text = ReadKeyFile(option, path, wrong);
  struct stat info {};
  if (!text.has_value() || stat(path.c_str(), &info) != 0) return text;
  if ((info.st_mode & S_IWOTH) != 0) {
    *wrong = KeyFileSentence(option, path, "can be written by everybody: chmod 600 " + path);
    return std::nullopt;
  }
  if ((info.st_mode & S_IROTH) != 0 && info.st_uid == geteuid()) {
    SPDLOG_WARN("{}", KeyFileSentence(option, path, "can be read by everybody: chmod 600 " + path));
  }
  return text;
}

}  // namespace dormouse
