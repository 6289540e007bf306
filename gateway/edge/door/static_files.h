// The files of the web client, kept in memory as they are asked for. One thread; reads the disk on it, but
// only to see whether a small file has changed.
#pragma once

#include <cstddef>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse::edge {

class StaticFiles {
 public:
  // `root`: a directory; empty: there are no files. Links in it are followed wherever they lead: who may
  // write there decides what is served. `shipped`: where the client library, /dormouse/, comes from as far as
  // `root` has none; empty: there is none.
  explicit StaticFiles(std::string root, std::string shipped = "")
      : root_(std::move(root)), shipped_(std::move(shipped)) {}

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

  const File* Read(const std::string& name);

  std::string root_;
  std::string shipped_;
  std::map<std::string, Cached> cache_;  // by where they lie
  size_t cached_bytes_ = 0;
};

// Where the web client is when nobody says: beside the installed or the built binary. Empty: not found.
std::string DefaultWebRoot();

}  // namespace dormouse::edge
