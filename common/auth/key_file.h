// Files with keys, certificates and secrets that the user named by an option. Any thread.
#pragma once

#include <optional>
#include <string>

namespace dormouse {

// "--auth-key: FILE " + how it goes on.
std::string KeyFileSentence(const std::string& option, const std::string& path, const std::string& end);

// What is in it. Nothing: `*wrong` is a sentence that names the option and the file, and nothing of its
// contents.
std::optional<std::string> ReadKeyFile(const std::string& option, const std::string& path,
                                       std::string* wrong);

// The same of a secret or a private key. Refused where everybody can write it. Where everybody can read it,
// and it is this user's own so that it can be helped, that is logged: containers mount secrets as files of
// root that all can read.
std::optional<std::string> ReadSecretFile(const std::string& option, const std::string& path,
                                          std::string* wrong);

}  // namespace dormouse
