#include "common/auth/api_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/auth/key_file.h"
#include "common/auth/secrets.h"

namespace dormouse {
namespace {

constexpr size_t kLeast = 32;
constexpr size_t kMost = 1'000;

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  return begin == std::string_view::npos ? std::string_view()
                                         : text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

}  // namespace

std::unique_ptr<const ApiKeys> ApiKeys::Read(const std::string& option, const std::string& path,
                                             std::string* wrong) {
  auto file = File::Open(
      {path},
      {fmt::format("the keys of {} were read again", option), "the keys that were read before stay in force"},
      [option, path](std::string* why) { return ReadKeys(option, path, why); }, wrong);
  if (file == nullptr) return nullptr;
  return std::unique_ptr<const ApiKeys>(new ApiKeys(std::move(file)));
}

std::shared_ptr<const ApiKeys::Keys> ApiKeys::ReadKeys(const std::string& option, const std::string& path,
                                                       std::string* wrong) {
  const auto text = ReadSecretFile(option, path, wrong);
  if (!text) return nullptr;
  Keys keys;
  const auto refuse = [&](const std::string& end) {
    *wrong = KeyFileSentence(option, path, end);
    return nullptr;
  };
  std::string_view rest = *text;
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = Trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.front() == '#') continue;
    const size_t colon = line.find(':');
    const std::string_view key = colon == std::string_view::npos ? line : line.substr(colon + 1);
    const bool is_plain = std::ranges::all_of(key, [](char c) { return c > ' ' && c <= '~'; });
    if (key.size() < kLeast || !is_plain) {
      return refuse(
          fmt::format("has a key in line {} that is no {} characters of ASCII or more without blanks; "
                      "`openssl rand -hex 32` makes one",
                      number, kLeast));
    }
    const std::string name = colon == std::string_view::npos ? fmt::format("line {}", number)
                                                             : std::string(Trim(line.substr(0, colon)));
    keys.push_back({name, Sha256(key)});
    if (keys.size() > kMost) return refuse(fmt::format("has more than {} keys", kMost));
  }
  if (keys.empty()) return refuse("has no key; `openssl rand -hex 32` makes one");
  return std::make_shared<const Keys>(std::move(keys));
}

std::optional<std::string> ApiKeys::NameOf(std::string_view key) const {
  const std::shared_ptr<const Keys> keys = file_->Current();
  const std::string hash = Sha256(key);
  const Key* found = nullptr;
  for (const Key& each : *keys) {
    if (SameSecret(each.hash, hash)) found = &each;
  }
  return found == nullptr ? std::nullopt : std::optional(found->name);
}

}  // namespace dormouse
