// What a statekeeper has before it opens anything: who it is, what it shows to others and asks of them, and where its
// sockets are. What the options say of that is checked here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/auth/shared_secret.h"
#include "common/config/options.h"
#include "common/rpc/link_credentials.h"

namespace dormouse {

struct Premises {
  uint64_t incarnation = 0;
  uint32_t lanes = 1;
  std::shared_ptr<const LinkCredentials> credentials;
  std::shared_ptr<const SharedSecret> admin_key;  // nullptr: operators are served on the unix socket only
  std::string run_directory;
  std::string link_socket;
  std::string app_http_socket;
};

// Makes the directories. nullopt: `*error` is a sentence for the operator.
std::optional<Premises> Prepare(const Options& options, std::string* error);

}  // namespace dormouse
