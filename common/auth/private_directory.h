// A directory in which files and sockets are safe from other users of the machine. Any thread.
#pragma once

#include <string>

namespace dormouse {

// Makes it where it is not there, its parents too, and sees to it that it is this user's own, for it alone
// (0700). False: it is another user's or a symbolic link, or can be replaced by everybody because its parent
// can be written to by everybody; `*wrong` is a sentence.
bool MakePrivateDirectory(const std::string& path, std::string* wrong);

}  // namespace dormouse
