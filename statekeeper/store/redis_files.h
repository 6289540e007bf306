// Files with what Redis asks of who connects to it, and by which Redis is known. They are read for each new
// connection, so they may change while the process runs; the connections that stand are not touched.
#pragma once

#include <optional>
#include <string>

namespace dormouse {

// Paths; empty: there is none.
struct RedisFiles {
  std::string password;           // store-password-file
  std::string sentinel_password;  // store-sentinel-password-file
  std::string ca;                 // store-ca, PEM; none: the authorities that this host trusts
  std::string certificate;        // store-certificate, PEM, with the chain up to its authority
  std::string key;                // store-key, PEM; with a certificate only
};

// The password in a file of one line. Nothing: `*error` is the end of a sentence that names option and file.
std::optional<std::string> ReadPassword(const std::string& option, const std::string& path,
                                        std::string* error);

}  // namespace dormouse
