#include "gateway/takeover/decision.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace dormouse::takeover {
namespace {

constexpr off_t kWordSize = sizeof(std::atomic<uint32_t>);
static_assert(std::atomic<uint32_t>::is_always_lock_free);  // so that processes may share it

}  // namespace

std::unique_ptr<Decision> Decision::Make() {
  const int fd = memfd_create("dormouse-take-over", MFD_CLOEXEC);
  if (fd >= 0 && ftruncate(fd, kWordSize) == 0) return Of(fd);
  if (fd >= 0) close(fd);
  return nullptr;
}

std::unique_ptr<Decision> Decision::Of(int fd) {
  struct stat info {};
  void* const word = fstat(fd, &info) == 0 && info.st_size == kWordSize
                         ? mmap(nullptr, kWordSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                         : MAP_FAILED;
  if (word == MAP_FAILED) {
    close(fd);
    return nullptr;
  }
  return std::unique_ptr<Decision>(new Decision(fd, static_cast<std::atomic<uint32_t>*>(word)));
}

Decision::~Decision() {
  munmap(word_, kWordSize);
  close(fd_);
}

bool Decision::Move(uint32_t to) {
  uint32_t before = kOpen;
  return word_->compare_exchange_strong(before, to) || before == to;
}

}  // namespace dormouse::takeover
