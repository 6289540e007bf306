#include "statekeeper/ownership/members/membership.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "common/logging.h"

namespace dormouse {
namespace {

constexpr Duration kJoining{400};

bool IsLess(const Member& a, const Member& b) { return a.id < b.id; }

std::vector<MemberId> IdsOf(const std::vector<Member>& members) {
  std::vector<MemberId> ids;
  for (const Member& member : members) ids.push_back(member.id);
  return ids;
}

std::string ShortList(const std::vector<MemberId>& ids) {
  std::string text;
  for (const MemberId id : ids) text += (text.empty() ? "" : ", ") + PrintMemberId(id);
  return text;
}

}  // namespace

bool Membership::SetState(MemberState state) { return std::exchange(self_.state, state) != state; }

size_t Membership::SetUnreachable(std::vector<MemberId> ids) {
  const std::vector<MemberId> before = std::exchange(self_.unreachable, std::move(ids));
  return static_cast<size_t>(std::count_if(
      self_.unreachable.begin(), self_.unreachable.end(),
      [&before](MemberId id) { return std::find(before.begin(), before.end(), id) == before.end(); }));
}

bool Membership::SetAppHttp(const std::string& path) { return std::exchange(self_.app_http, path) != path; }

bool Membership::MayServe(SteadyTime now) const {
  return is_known() && (!OthersServe() || now - joined_ >= kJoining);
}

bool Membership::Learn(const std::vector<MemberEntry>& entries, SteadyTime now) {
  std::vector<Member> members;
  for (const MemberEntry& entry : entries) {
    // Else not one of ours; a later version perhaps.
    if (std::optional<Member> member = ParseMember(entry)) members.push_back(*std::move(member));
  }
  std::sort(members.begin(), members.end(), IsLess);
  std::vector<MemberId> suspects = Suspects(members);
  if (!is_known()) joined_ = now;
  if (members == members_ && suspects == suspects_) return false;
  LogChange(members, suspects);
  members_ = std::move(members);
  suspects_ = std::move(suspects);
  return true;
}

size_t Membership::IndexOf(MemberId id) const {
  const auto at = std::lower_bound(members_.begin(), members_.end(), id,
                                   [](const Member& member, MemberId wanted) { return member.id < wanted; });
  return at != members_.end() && at->id == id ? static_cast<size_t>(at - members_.begin()) : members_.size();
}

bool Membership::IsSuspect(MemberId id) const {
  return std::binary_search(suspects_.begin(), suspects_.end(), id);
}

std::vector<Member> Membership::Others() const {
  std::vector<Member> others = members_;
  std::erase_if(others, [this](const Member& member) { return member.id == self_.id; });
  return others;
}

std::vector<MemberId> Membership::Fit() const {
  std::vector<MemberId> fit = IdsOf(members_);
  std::erase_if(fit, [this](MemberId id) { return IsSuspect(id); });
  return fit;
}

bool Membership::OthersServe() const {
  return std::any_of(members_.begin(), members_.end(), [this](const Member& member) {
    return member.id != self_.id && member.state == MemberState::kServing && !IsSuspect(member.id);
  });
}

bool Membership::DrainIsKnown() const {
  const size_t index = IndexOf(self_.id);
  return index < members_.size() && members_[index].state == MemberState::kDraining;
}

bool Membership::SuspicionIsPending() const {
  return std::any_of(members_.begin(), members_.end(), [this](const Member& member) {
    return std::any_of(member.unreachable.begin(), member.unreachable.end(),
                       [this](MemberId id) { return !IsSuspect(id) && Lives(id); });
  });
}

void Membership::LogChange(const std::vector<Member>& members, const std::vector<MemberId>& suspects) const {
  const std::vector<MemberId> ids = IdsOf(members);
  if (ids == IdsOf(members_) && suspects == suspects_) return;
  SPDLOG_INFO("{} members: {}; serving {}{}{}", ids.size(), ShortList(ids),
              std::count_if(members.begin(), members.end(),
                            [](const Member& member) { return member.state == MemberState::kServing; }),
              suspects.empty() ? "" : "; suspected: ", ShortList(suspects));
}

}  // namespace dormouse
