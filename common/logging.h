// Logging: spdlog, to standard error, one line an event. Use SPDLOG_INFO(...) and its siblings through here.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace dormouse {

// Call once in main. `level`: trace, debug, info, warn, error, off. `process` is shown in every line.
void InitLogging(const std::string& process, const std::string& level);

}  // namespace dormouse
