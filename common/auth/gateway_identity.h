// What a gateway process shows to statekeepers to be taken for itself.
//
// It is random, made from the kernel at the process's start, never stored and in no log. The gateway's id,
// which is in the id of each of its connections and so known to clients, follows from it, one way: who knows
// the id cannot greet as that gateway.
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/ids.h"

namespace dormouse {

inline constexpr size_t kGatewayIdentitySize = 64;

// 32 random bytes as hex.
std::string NewGatewayIdentity();

// The id of whoever has this identity: 60 bits of its SHA-256.
GatewayId GatewayIdOf(std::string_view identity);

}  // namespace dormouse
