#include "common/bundle/app_bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include "common/auth/secrets.h"
#include "proto/app.pb.h"

namespace dormouse {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDigits = 16;
constexpr size_t kMaxPath = 512;
constexpr size_t kStep = 1u << 20;

std::string MiB(uint64_t bytes) { return fmt::format("{} MiB", bytes >> 20); }

// One that stays below the directory.
bool IsInside(const std::string& path) {
  if (path.empty() || path.size() > kMaxPath || path.find('\0') != std::string::npos) return false;
  const fs::path parts(path);
  return parts.is_relative() && std::ranges::all_of(parts, [](const fs::path& part) {
           return !part.empty() && part != "." && part != "..";
         });
}

std::string TooLarge(const BundleLimits& limits) {
  return fmt::format("it is larger than a version may be: {} files, {}, or {} compressed", limits.files,
                     MiB(limits.unpacked), MiB(limits.bytes));
}

bool ReadFiles(const fs::path& root, const BundleLimits& limits, app::Bundle* bundle, std::string* error) {
  std::error_code failed;
  uint64_t bytes = 0;
  std::vector<fs::path> paths;
  for (auto entry = fs::recursive_directory_iterator(root, failed);
       !failed && entry != fs::recursive_directory_iterator(); entry.increment(failed)) {
    if (entry->is_directory() && !entry->is_symlink()) continue;
    if (!entry->is_regular_file() || entry->is_symlink()) {
      *error = fmt::format("{} is neither a file nor a directory, which a version cannot hold",
                           entry->path().string());
      return false;
    }
    paths.push_back(entry->path());
    if (paths.size() > limits.files) {
      *error = fmt::format("{}: {}", root.string(), TooLarge(limits));
      return false;
    }
  }
  if (failed) {
    *error = fmt::format("{} cannot be read: {}", root.string(), failed.message());
    return false;
  }
  std::ranges::sort(paths);
  for (const fs::path& path : paths) {
    const std::string name = path.lexically_relative(root).generic_string();
    if (!IsInside(name)) {
      *error = fmt::format("{}: a path must not be longer than {} bytes", path.string(), kMaxPath);
      return false;
    }
    bytes += fs::file_size(path, failed) + name.size();
    std::ifstream stream(path, std::ios::binary);
    if (failed || !stream) {
      *error = fmt::format("{} cannot be read", path.string());
      return false;
    }
    if (bytes > limits.unpacked) {
      *error = fmt::format("{}: {}", root.string(), TooLarge(limits));
      return false;
    }
    app::Bundle::File* const file = bundle->add_files();
    file->set_path(name);
    file->set_content(std::string(std::istreambuf_iterator<char>(stream), {}));
    file->set_executable((fs::status(path).permissions() & fs::perms::owner_exec) != fs::perms::none);
  }
  if (bundle->files().empty()) *error = fmt::format("there is no file in {}", root.string());
  return !bundle->files().empty();
}

// Nothing: it is not what compress() makes, or is more than `limit`.
bool Inflate(std::string_view bytes, uint64_t limit, std::string* plain) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return false;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  int said = Z_OK;
  while (said == Z_OK && plain->size() <= limit) {
    const size_t had = plain->size();
    plain->resize(had + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(plain->data() + had);
    stream.avail_out = kStep;
    said = inflate(&stream, Z_NO_FLUSH);
    plain->resize(had + kStep - stream.avail_out);
  }
  const bool whole = said == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  return whole && plain->size() <= limit;
}

bool WriteFile(const std::string& path, const std::string& content, bool executable) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                      executable ? S_IRWXU : S_IRUSR | S_IWUSR);
  if (fd < 0) return false;
  size_t written = 0;
  while (written < content.size()) {
    const ssize_t wrote = write(fd, content.data() + written, content.size() - written);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;
    written += static_cast<size_t>(wrote);
  }
  return close(fd) == 0 && written == content.size();
}

}  // namespace

std::string BundleHash(std::string_view bundle) { return Sha256(bundle); }

std::string BundleName(std::string_view hash) {
  std::string name;
  for (const char byte : hash.substr(0, kDigits / 2))
    name += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return name;
}

std::string PackBundle(const std::string& directory, const BundleLimits& limits, std::string* error) {
  std::error_code failed;
  const fs::path root = fs::canonical(directory, failed);
  if (failed) {
    *error = fmt::format("{}: {}", directory, failed.message());
    return {};
  }
  app::Bundle bundle;
  if (!ReadFiles(root, limits, &bundle, error)) return {};
  const std::string plain = bundle.SerializeAsString();
  uLongf size = compressBound(plain.size());
  std::string packed(size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(plain.data()),
                plain.size(), Z_DEFAULT_COMPRESSION) != Z_OK) {
    *error = fmt::format("{} cannot be compressed", directory);
    return {};
  }
  packed.resize(size);
  if (packed.size() > limits.bytes) {
    *error = fmt::format("{}: {}", directory, TooLarge(limits));
    return {};
  }
  return packed;
}

bool UnpackBundle(std::string_view bundle, const std::string& directory, const BundleLimits& limits,
                  std::string* error) {
  std::string plain;
  app::Bundle parsed;
  // Beside contents and names, a file takes a few bytes in the message.
  if (bundle.size() > limits.bytes || !Inflate(bundle, limits.unpacked + 64 * limits.files, &plain) ||
      !parsed.ParseFromString(plain) || static_cast<size_t>(parsed.files_size()) > limits.files) {
    *error = "this is no version of an app, or a larger one than there may be";
    return false;
  }
  std::string().swap(plain);
  const auto fail = [error](const std::string& path) {
    *error = fmt::format("{}: {}", path, std::strerror(errno));
    return false;
  };
  if (mkdir(directory.c_str(), S_IRWXU) != 0) return fail(directory);
  for (const app::Bundle::File& file : parsed.files()) {
    if (!IsInside(file.path())) {
      *error = "a file of this version would lie outside of its directory";
      return false;
    }
    const fs::path path = fs::path(directory) / file.path();
    for (fs::path made = directory; const fs::path& part : fs::path(file.path()).parent_path()) {
      made /= part;
      if (mkdir(made.c_str(), S_IRWXU) != 0 && errno != EEXIST) return fail(made);
    }
    if (!WriteFile(path, file.content(), file.executable())) return fail(path);
  }
  return true;
}

}  // namespace dormouse
