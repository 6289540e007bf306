#include "common/version.h"

namespace dormouse {
namespace {

const char* told_commit = "";

}  // namespace

std::string VersionText() {
  const std::string commit = told_commit;
  return DORMOUSE_VERSION + (commit.empty() ? "" : " (commit " + commit + ")");
}

std::string CommitText() { return told_commit; }

bool TellCommit(const char* commit) {
  told_commit = commit;
  return true;
}

}  // namespace dormouse
