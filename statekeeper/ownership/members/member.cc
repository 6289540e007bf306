#include "statekeeper/ownership/members/member.h"

#include <fmt/format.h>

#include <charconv>

#include "proto/peer.pb.h"

namespace dormouse {
namespace {

constexpr size_t kIdDigits = 16;

peer::MemberRecord::State Print(MemberState state) {
  switch (state) {
    case MemberState::kJoining:
      return peer::MemberRecord::JOINING;
    case MemberState::kServing:
      return peer::MemberRecord::SERVING;
    case MemberState::kDraining:
    case MemberState::kCutOff:  // for operators only
      break;
  }
  return peer::MemberRecord::DRAINING;
}

MemberState Parse(peer::MemberRecord::State state) {
  switch (state) {
    case peer::MemberRecord::JOINING:
      return MemberState::kJoining;
    case peer::MemberRecord::SERVING:
      return MemberState::kServing;
    default:  // also what a later version may say: not to be given shards
      return MemberState::kDraining;
  }
}

}  // namespace

std::string PrintMemberId(MemberId id) { return id == 0 ? std::string() : fmt::format("{:016x}", id); }

MemberId ParseMemberId(std::string_view text) {
  MemberId id = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, id, 16);
  return text.size() == kIdDigits && error == std::errc() && at == end ? id : 0;
}

std::string PrintMember(const Member& member) {
  peer::MemberRecord record;
  record.set_incarnation(member.id);
  record.set_address(member.address);
  record.set_unix_path(member.unix_path);
  record.set_app_http(member.app_http);
  record.set_framed(member.framed);
  record.set_version(member.version);
  record.set_lanes(member.lanes);
  record.set_state(Print(member.state));
  record.set_started_ms(Milliseconds(member.started));
  for (const MemberId id : member.unreachable) record.add_unreachable(id);
  return record.SerializeAsString();
}

std::optional<Member> ParseMember(const MemberEntry& entry) {
  peer::MemberRecord record;
  if (!record.ParseFromString(entry.record) || record.incarnation() == 0 || record.lanes() == 0 ||
      ParseMemberId(entry.id) != record.incarnation()) {
    return std::nullopt;
  }
  Member member;
  member.id = record.incarnation();
  member.address = record.address();
  member.unix_path = record.unix_path();
  member.app_http = record.app_http();
  member.framed = record.framed();
  member.version = record.version();
  member.lanes = record.lanes();
  member.state = Parse(record.state());
  member.started = WallTime(Duration(record.started_ms()));
  member.unreachable.assign(record.unreachable().begin(), record.unreachable().end());
  return member;
}

}  // namespace dormouse
