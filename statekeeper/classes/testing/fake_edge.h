// What a gateway would make of a class's edge rules: for tests that compare its answers with the hub's own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "proto/link.pb.h"

namespace dormouse {

// Values of a template by their kind; a missing one counts as a test's mistake and is written as "?".
using EdgeValues = std::map<link::Template::Value, std::string>;

// The template filled in from a request's text (may be empty); nothing when a required field is missing.
std::optional<std::string> FillTemplate(const link::Template& reply, std::string_view request,
                                        const EdgeValues& values);

// What the edge answers a frame; nothing: it goes to the hub.
std::optional<std::string> EdgeReply(const link::ClassProfile& profile, std::string_view frame,
                                     const EdgeValues& values);

}  // namespace dormouse
