// What is needed to hand out secrets and know them again without keeping them. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace dormouse {

// SHA-256 (FIPS 180-4), 32 bytes. Of secrets with at least 128 bits of randomness it may be kept in their
// place.
std::string Sha256(std::string_view text);

// HMAC-SHA-256 (FIPS 198-1), 32 bytes.
std::string MacOf(std::string_view key, std::string_view text);

// Whether they are equal; takes the same time wherever they differ.
bool SameSecret(std::string_view a, std::string_view b);

}  // namespace dormouse
