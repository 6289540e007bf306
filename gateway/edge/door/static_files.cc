#include "gateway/edge/door/static_files.h"

#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "common/http/http_request.h"
#include "common/percent_decode.h"

namespace dormouse::edge {
namespace {

constexpr off_t kMaxFileSize = 4 << 20;
constexpr size_t kMaxCachedBytes = 16 << 20;

std::string ContentType(std::string_view path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kTypes{{
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
      {".wasm", "application/wasm"},
  }};
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return std::string(type);
  }
  return "application/octet-stream";
}

// "" for a path that is not plainly a file below the root: dot names (".." among them), empty parts, odd
// bytes.
std::string RelativePath(std::string_view path) {
  const std::optional<std::string> decoded = PercentDecode(path);
  if (!decoded.has_value() || decoded->empty() || decoded->front() != '/') return "";
  std::string relative = decoded->substr(1);
  if (relative.empty()) return "index.html";
  bool at_start = true;
  for (const char c : relative) {
    if (c == '\0' || c == '\\' || (at_start && (c == '.' || c == '/'))) return "";
    at_start = c == '/';
  }
  return at_start ? "" : relative;
}

}  // namespace

const StaticFiles::File* StaticFiles::Find(std::string_view path) {
  const std::string relative = RelativePath(path);
  if (relative.empty()) return nullptr;
  const File* file = root_.empty() ? nullptr : Read(root_ + "/" + relative);
  if (file != nullptr || shipped_.empty() || !relative.starts_with("dormouse/")) return file;
  return Read(shipped_ + "/" + relative);
}

const StaticFiles::File* StaticFiles::Read(const std::string& name) {
  struct stat status {};
  if (stat(name.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > kMaxFileSize)
    return nullptr;

  const auto it = cache_.find(name);
  if (it != cache_.end()) {
    const timespec& modified = it->second.modified;
    if (modified.tv_sec == status.st_mtim.tv_sec && modified.tv_nsec == status.st_mtim.tv_nsec)
      return &it->second.file;
    cached_bytes_ -= it->second.file.content.size();
    cache_.erase(it);
  }
  std::ifstream in(name, std::ios::binary);
  if (!in) return nullptr;
  Cached cached;
  cached.file.content.assign(std::istreambuf_iterator<char>(in), {});
  cached.file.content_type = ContentType(name);
  cached.modified = status.st_mtim;
  if (cached_bytes_ + cached.file.content.size() > kMaxCachedBytes) {
    cache_.clear();
    cached_bytes_ = 0;
  }
  cached_bytes_ += cached.file.content.size();
  return &cache_.insert_or_assign(name, std::move(cached)).first->second.file;
}

std::string DefaultWebRoot() {
  std::error_code error;
  const std::filesystem::path binary = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "";
  const std::filesystem::path directory = binary.parent_path();  // PREFIX/bin, or SOURCE/build/PRESET/bin
  for (const char* relative : {"../share/dormouse/web", "../../../clients/web"}) {
    const std::filesystem::path root = (directory / relative).lexically_normal();
    if (std::filesystem::is_regular_file(root / "index.html", error)) return root.string();
  }
  return "";
}

}  // namespace dormouse::edge
