// The directory of a statekeeper's files (--data), and who else may look into it.
#pragma once

#include <filesystem>

namespace dormouse {

// Closes a data directory to other users (0700): one that an earlier version made, or a mkdir. It is left as
// it is where it is another user's, and where it holds anything but what a cluster keeps in one: then others
// may have their reasons to go there (--data /srv). What a cluster keeps in it is closed in either case, each
// by who makes it. Returns false where others can still look into it.
bool CloseDataDirectory(const std::filesystem::path& directory);

}  // namespace dormouse
