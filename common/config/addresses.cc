#include "common/config/addresses.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "common/host_port.h"

namespace dormouse {
namespace {

// Of a collector. It is shown where options are, so no secret may be in it.
std::string WrongEndpoint(std::string_view url) {
  constexpr std::string_view kExpected =
      "--otlp-endpoint must be http://HOST:PORT or https://HOST:PORT, a path may follow; what lets spans in belongs into "
      "otlp-headers-file";
  const size_t scheme = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
  if (scheme == 0 || url.find_first_of("@?# \t\r\n") != std::string_view::npos) return std::string(kExpected);
  const std::string_view authority = url.substr(scheme, url.find('/', scheme) - scheme);
  const bool has_port = authority.rfind(':') != std::string_view::npos && !authority.ends_with(']');
  if (authority.empty() || (has_port && !WhyNotToCall(authority).empty())) return std::string(kExpected);
  return "";
}

}  // namespace

std::string WrongAddress(const Options& o) {
  const std::pair<std::string_view, const std::string&> listening[] = {
      {"listen", o.listen},
      {"admin", o.admin},
      {"tls-listen", o.tls_listen},
      {"api-listen", o.api_listen},
      {"api-grpc-listen", o.api_grpc_listen}};
  for (const auto& [option, address] : listening) {
    if (address.empty() && option != "admin") continue;  // nowhere, then
    if (const std::string why = WhyNotToListenAt(address); !why.empty())
      return fmt::format("--{}: {}", option, why);
  }
  if (!o.advertise.empty()) {
    if (const std::string why = WhyNotToCall(o.advertise); !why.empty()) return "--advertise: " + why;
  }
  for (const std::string& address : o.statekeepers) {
    if (address.starts_with("unix:")) continue;
    if (const std::string why = WhyNotToCall(address); !why.empty()) return "--statekeepers: " + why;
  }
  return o.otlp_endpoint.empty() ? "" : WrongEndpoint(o.otlp_endpoint);
}

}  // namespace dormouse
