#include "common/hidden_passwords.h"

#include <algorithm>
#include <cstring>

namespace dormouse {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::string_view kSetting = "password=";

// Masks the passwords of the one URL that begins somewhere in `word`. More than a correct URL's password may
// go: a password in which '@' or '/' is not written as %XX must not be seen either.
std::string Masked(std::string word) {
  const size_t scheme = word.find("://");
  if (scheme == std::string::npos) return word;
  const size_t login = scheme + 3;
  if (const size_t at = word.rfind('@'); at != std::string::npos && at > login) {
    const size_t colon = word.find(':', login);
    if (colon < at) word.replace(colon + 1, at - colon - 1, kMask);
  }
  for (size_t name = word.find(kSetting, login); name != std::string::npos;
       name = word.find(kSetting, name + kSetting.size())) {
    const size_t value = name + kSetting.size();
    word.replace(value, std::min(word.find('&', value), word.size()) - value, kMask);
  }
  return word;
}

}  // namespace

std::string WithoutPasswords(std::string_view text) {
  std::string masked;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    masked += Masked(std::string(text.substr(0, end)));
    text.remove_prefix(end);
    const size_t next = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    masked += text.substr(0, next);
    text.remove_prefix(next);
  }
  return masked;
}

bool HidePasswords(int argc, char** argv) {
  bool any = false;
  for (int i = 1; i < argc; ++i) {
    const size_t size = std::strlen(argv[i]);
    std::string masked = Masked(argv[i]);
    if (masked == argv[i]) continue;
    any = true;
    // What the kernel shows is this memory. It has no room for a mask that is longer than the password; zeros
    // are the ends of words there.
    masked.resize(size, '\0');
    std::memcpy(argv[i], masked.data(), size);
  }
  return any;
}

}  // namespace dormouse
