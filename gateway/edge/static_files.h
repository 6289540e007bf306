// The files of the web client, kept in memory as they are asked for. One thread; reads the disk on it, but
// only to see whether a small file has changed.
#pragma once

#include <cstddef>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse {

class StaticFiles {
 public:
  // `root`: a directory; empty: there are no files. Links in it are followed wherever they lead: who may
  // write there decides what is served.
  explicit StaticFiles(std::string root) : root_(std::move(root)) {}

  struct File {
    std::string content;
    std::string content_type;
  };
  // `path`: of the request, percent-encoded; "/" is index.html. nullptr: no such file, or one outside the
  // root. Valid until the next call.
  const File* Find(std::string_view path);

  const std::string& root() const { return root_; }

 private:
  struct Cached {
    File file;
    timespec modified{};
  };

  std::string root_;
  std::map<std::string, Cached> cache_;
  size_t cached_bytes_ = 0;
};

// Where the web client is when nobody says: beside the installed or the built binary. Empty: not found.
std::string DefaultWebRoot();

}  // namespace dormouse
