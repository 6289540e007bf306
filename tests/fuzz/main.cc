// Runs a fuzz target (fuzz_target.h) on mutations of its seeds, where there is no libFuzzer.
//
//   X_fuzz [-runs=N] [-max_total_time=SECONDS] [-seed=N] [-max_len=BYTES]     the first bound that is reached
//   ends it X_fuzz FILE...                                                           runs the target on these
//   inputs
//
// An input follows from the seed and its own number alone. The one that the target dies of is written to
// crash-SEED-NUMBER in the working directory.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string_view>

#include "tests/fuzz/fuzz_target.h"

// Of sanitizers, where the program has one: they end a process without a signal.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace dormouse {
namespace {

struct Bounds {
  uint64_t runs = std::numeric_limits<uint64_t>::max();
  uint64_t max_total_time = std::numeric_limits<uint64_t>::max();
  uint64_t seed = 1;
  uint64_t max_len = 4096;
};

std::string current;       // for whoever has to say what the target died of
std::string current_name;  // empty: it is in a file already

void KeepCurrent() {
  if (current_name.empty()) return;
  const int file = open(current_name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || write(file, current.data(), current.size()) < 0) return;
  close(file);
  const std::string_view said[] = {"input kept as ", current_name, "\n"};
  for (const std::string_view part : said) {
    if (write(STDERR_FILENO, part.data(), part.size()) < 0) return;
  }
}

void KeepCurrentOnDeath() {
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(KeepCurrent);
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    struct sigaction action {};
    action.sa_handler = [](int caught) {
      KeepCurrent();
      raise(caught);  // the handler is gone
    };
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    // A sanitizer says more of a bad access than this could, and calls back.
    if (number != SIGABRT && __sanitizer_set_death_callback != nullptr) continue;
    sigaction(number, &action, nullptr);
  }
}

void Run(std::string input) {
  current = std::move(input);
  // A block of its own size: a read beyond its end is seen by sanitizers.
  const std::vector<uint8_t> exact(current.begin(), current.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& seeds, uint64_t max_len) : seeds_(seeds), max_len_(max_len) {}

  std::string Input(uint64_t seed, uint64_t number) {
    random_.seed(seed * 0x9e37'79b9'7f4a'7c15 + number);
    std::string input = AnySeed();
    for (uint64_t left = Below(6); left > 0; --left) Mutate(&input);
    input.resize(std::min<size_t>(input.size(), max_len_));
    return input;
  }

 private:
  uint64_t Below(uint64_t end) { return end == 0 ? 0 : random_() % end; }
  const std::string& AnySeed() { return seeds_[Below(seeds_.size())]; }
  // Short more often than long, at most `most`.
  size_t Length(size_t most) { return std::min<size_t>(most, 1 + Below(uint64_t{1} << Below(8))); }

  // What parsers treat apart, more often than what they do not.
  char AnyByte() {
    constexpr std::string_view kSpecial("\0\r\n\t :,;/?#%\"\x7f\x7e\x7d\x80\x81\x88\x89\xff", 21);
    return Below(2) == 0 ? kSpecial[Below(kSpecial.size())] : static_cast<char>(Below(256));
  }

  void Mutate(std::string* input) {
    const size_t at = Below(input->size() + 1);
    const size_t rest = input->size() - at;
    switch (Below(8)) {
      case 0:
        if (rest > 0) (*input)[at] = AnyByte();
        break;
      case 1:
        if (rest > 0) (*input)[at] = static_cast<char>((*input)[at] ^ 1 << Below(8));
        break;
      case 2:
        input->insert(at, Length(8), AnyByte());
        break;
      case 3:
        input->erase(at, Length(rest));
        break;
      case 4: {  // says something twice, or very often
        const std::string part = input->substr(at, Length(rest));
        for (uint64_t times = Length(64); times > 0 && input->size() < max_len_; --times)
          input->insert(at, part);
        break;
      }
      case 5: {
        const std::string& other = AnySeed();
        const size_t from = Below(other.size() + 1);
        input->insert(at, other, from, Length(other.size() - from));
        break;
      }
      case 6:  // the one up to here, the other from somewhere on
        input->resize(at);
        if (const std::string& other = AnySeed(); !other.empty()) input->append(other, Below(other.size()));
        break;
      default:
        input->resize(at);
    }
  }

  const std::vector<std::string>& seeds_;
  const size_t max_len_;
  std::mt19937_64 random_;
};

bool ReadBound(std::string_view word, Bounds* bounds) {
  for (const auto& [name, value] :
       {std::pair("-runs=", &bounds->runs), std::pair("-max_total_time=", &bounds->max_total_time),
        std::pair("-seed=", &bounds->seed), std::pair("-max_len=", &bounds->max_len)}) {
    if (!word.starts_with(name)) continue;
    word.remove_prefix(std::string_view(name).size());
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *value);
    return error == std::errc() && end == word.data() + word.size();
  }
  return false;
}

int Main(int argc, char** argv) {
  Bounds bounds;
  std::vector<const char*> files;
  for (int i = 1; i < argc; ++i) {
    if (*argv[i] != '-') {
      files.push_back(argv[i]);
    } else if (!ReadBound(argv[i], &bounds)) {
      fmt::print(stderr, "{} is none of -runs=N, -max_total_time=SECONDS, -seed=N, -max_len=BYTES\n",
                 argv[i]);
      return 2;
    }
  }
  for (const char* name : files) {
    std::ifstream file(name, std::ios::binary);
    if (!file) {
      fmt::print(stderr, "{} cannot be read\n", name);
      return 2;
    }
    Run(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  if (!files.empty()) return 0;

  KeepCurrentOnDeath();
  const std::vector<std::string> seeds = FuzzSeeds();
  Mutator mutator(seeds, bounds.max_len);
  const auto begun = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begun).count());
  };
  uint64_t number = 0;
  for (; number < bounds.runs && seconds() < bounds.max_total_time; ++number) {
    current_name = fmt::format("crash-{}-{}", bounds.seed, number);
    Run(number < seeds.size() ? seeds[number] : mutator.Input(bounds.seed, number));
  }
  fmt::print("{} inputs in {} s\n", number, seconds());
  return 0;
}

}  // namespace
}  // namespace dormouse

int main(int argc, char** argv) { return dormouse::Main(argc, argv); }
