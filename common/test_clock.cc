#include "common/test_clock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "common/logging.h"

namespace dormouse {

namespace internal {
constinit const int64_t kNoTestClock = 0;
constinit std::atomic<const int64_t*> test_clock{&kNoTestClock};
}  // namespace internal

namespace {

bool IsOfThisMachineAlone(std::string_view address) {
  for (const std::string_view host : {"127.", "localhost:", "[::1]:", "unix:"}) {
    if (address.starts_with(host)) return true;
  }
  return address.empty();
}

// nullptr: errno says why not.
const int64_t* Map(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  struct stat status {};
  void* memory = MAP_FAILED;
  if (fstat(fd, &status) == 0) {
    errno = EINVAL;
    if (status.st_size == sizeof(int64_t))
      memory = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  }
  const int failed = errno;
  close(fd);
  errno = failed;
  return memory == MAP_FAILED ? nullptr : static_cast<const int64_t*>(memory);
}

}  // namespace

std::string UseTestClock(const std::string& listen) {
  const char* path = std::getenv(kTestClockVariable);
  if (path == nullptr) return "";
  if (!IsOfThisMachineAlone(listen)) {
    return fmt::format(
        "{} is for tests, and others can reach {}: listen on 127.0.0.1, or take the variable away",
        kTestClockVariable, listen);
  }
  const int64_t* const mapped = Map(path);
  if (mapped == nullptr) {
    return fmt::format("{}={} must name a file of 8 bytes, the milliseconds that the clock is ahead: {}",
                       kTestClockVariable, path, std::strerror(errno));
  }
  internal::test_clock.store(mapped, std::memory_order_relaxed);
  SPDLOG_WARN("The time of day is a test's: {} says by how much it is ahead", path);
  return "";
}

}  // namespace dormouse
