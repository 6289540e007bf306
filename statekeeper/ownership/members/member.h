// A member of the cluster: one statekeeper process, as it describes itself in its entry in the store.
//
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/time.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

// The incarnation of a process: random, new at every start. 0: none.
using MemberId = uint64_t;

// In the store, and to operators: 16 hexadecimal digits; nothing for 0.
std::string PrintMemberId(MemberId id);
// 0: it is not one.
MemberId ParseMemberId(std::string_view text);

enum class MemberState {
  kJoining,  // lives, and is given no shards yet: gateways are linking to it
  kServing,
  kDraining,  // hands its shards over, and is given none
  kCutOff,    // of the one that is asked alone: it cannot reach the store, and serves nothing
};

struct Member {
  MemberId id = 0;
  std::string address;    // HOST:PORT
  std::string unix_path;  // the same service on its own host
  std::string app_http;   // where its workers serve the app's HTTP: a unix socket's path; empty: nowhere
  bool framed = false;    // whether the address takes Link streams in frames of our own (link.proto, Member)
  std::string version;
  uint32_t lanes = 1;
  MemberState state = MemberState::kJoining;
  WallTime started;
  std::vector<MemberId> unreachable;  // members that do not answer it
  friend bool operator==(const Member&, const Member&) = default;
};

std::string PrintMember(const Member& member);
// Nothing: not the entry of a statekeeper.
std::optional<Member> ParseMember(const MemberEntry& entry);

}  // namespace dormouse
