// Where statekeepers of this host are found: the names of their unix sockets, each in the directory run of
// its data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse {

inline constexpr std::string_view kUnixScheme = "unix:";

inline bool IsUnixTarget(std::string_view target) { return target.starts_with(kUnixScheme); }

// DIRECTORY/statekeeper-ID.sock
std::string StatekeeperSocket(const std::string& directory, uint64_t incarnation);

// HOST:PORT, unix:SOCKET or unix:DIRECTORY, with the sockets that are there now in the place of a directory,
// as unix:SOCKET, in the order of their names. None of a directory that is another user's, or that others can
// write: nothing but the directory says who listens there. `*trouble`: a sentence about one that is not used;
// else left alone.
std::vector<std::string> FindStatekeepers(const std::vector<std::string>& targets, std::string* trouble);

}  // namespace dormouse
