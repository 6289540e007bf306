#include "statekeeper/premises.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "common/auth/private_directory.h"
#include "common/ids.h"
#include "common/logging.h"
#include "common/rpc/statekeeper_sockets.h"
#include "common/test_clock.h"
#include "statekeeper/data_directory.h"

namespace dormouse {
namespace {

// Why what `listen` says cannot be done. Empty: it can.
std::string WhyNotListening(const Options& options, const LinkCredentials& credentials) {
  if (options.listen.empty()) {
    return options.advertise.empty() ? ""
                                     : "--advertise is an address of --listen HOST:PORT, which is missing";
  }
  if (credentials.any()) return "";
  return fmt::format(
      "--listen {} needs credentials, or everybody who reaches it would be believed. {}; or leave "
      "--listen out, to serve this host's gateways on the unix socket only",
      options.listen, kHowToTrust);
}

// Whoever can reach a socket in it is believed to be whatever he says. Empty: `*error` is a sentence.
std::string MakeRunDirectory(const std::string& data, std::string* error) {
  std::error_code ignored;  // what is wrong shows in a moment
  std::filesystem::create_directories(data, ignored);
  const bool closed = CloseDataDirectory(data);
  const std::string run_directory = std::filesystem::absolute(data) / "run";
  if (!MakePrivateDirectory(run_directory, error)) return "";
  if (!closed) {
    SPDLOG_WARN(
        "Other users can look into {}, which is theirs or holds more than this cluster's files. "
        "They cannot read those, but should have no business there",
        data);
  }
  return run_directory;
}

}  // namespace

std::optional<Premises> Prepare(const Options& options, std::string* error) {
  Premises premises;
  premises.incarnation = NewGatewayId();
  premises.lanes = std::min(
      options.shards, options.lanes != 0 ? options.lanes : std::max(1u, std::thread::hardware_concurrency()));
  *error = UseTestClock(options.listen);
  if (!error->empty()) return std::nullopt;
  premises.credentials =
      LinkCredentials::Read(LinkCredentials::FilesOf(options), LinkRole::kStatekeeper, error);
  if (premises.credentials == nullptr) return std::nullopt;
  *error = WhyNotListening(options, *premises.credentials);
  if (!error->empty()) return std::nullopt;
  if (!options.admin_key.empty()) {
    premises.admin_key = SharedSecret::Read("admin-key", options.admin_key, error);
    if (premises.admin_key == nullptr) return std::nullopt;
  }
  premises.run_directory = MakeRunDirectory(options.data, error);
  if (premises.run_directory.empty()) return std::nullopt;
  premises.link_socket = StatekeeperSocket(premises.run_directory, premises.incarnation);
  premises.app_http_socket = fmt::format("{}/app-{:016x}.sock", premises.run_directory, premises.incarnation);
  return premises;
}

}  // namespace dormouse
