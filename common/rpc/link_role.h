// As whom somebody takes part in a cluster. The names stand in certificates, each as a DNS name among the
// subject's alternative names (one certificate may carry several), and in tokens
// (common/auth/shared_secret.h).
#pragma once

#include <string_view>

namespace dormouse {

enum class LinkRole { kGateway, kStatekeeper, kOperator };

constexpr std::string_view NameOf(LinkRole role) {
  if (role == LinkRole::kGateway) return "dormouse-gateway";
  return role == LinkRole::kStatekeeper ? "dormouse-statekeeper" : "dormouse-operator";
}

}  // namespace dormouse
