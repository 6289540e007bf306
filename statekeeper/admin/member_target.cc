#include "statekeeper/admin/member_target.h"

#include <unistd.h>

namespace dormouse {

std::string TargetOf(const MemberView& member) {
  // The name of the socket has the member's id in it: what is there is the member's.
  const bool is_here = !member.unix_path.empty() && access(member.unix_path.c_str(), F_OK) == 0;
  return is_here ? "unix:" + member.unix_path : member.address;
}

}  // namespace dormouse
