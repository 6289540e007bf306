// What a program says of itself with --version.
#pragma once

#include <string>

namespace dormouse {

// "0.2.0 (commit 5d0df79ab12c)"; without the parentheses where the build did not know its commit. A commit
// that ends in
// "-dirty" had changes beside it.
std::string VersionText();

// The commit alone; empty: unknown.
std::string CommitText();

// Called before main() by what commit.cmake writes. That is linked with programs alone: a new commit links
// those again, and no test.
bool TellCommit(const char* commit);

}  // namespace dormouse
