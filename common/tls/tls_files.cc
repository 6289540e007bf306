#include "common/tls/tls_files.h"

#include <optional>
#include <utility>

#include "common/auth/key_file.h"

namespace dormouse {
namespace {

std::shared_ptr<const TlsContext> ReadContext(const TlsContext::Settings& settings,
                                              const TlsFiles::Files& files, std::string* wrong) {
  TlsContext::Pem pem;
  const auto read = [wrong](const TlsFiles::File& file, bool is_secret, std::string* text) {
    if (file.path.empty()) return true;
    const auto found = is_secret ? ReadSecretFile(file.option, file.path, wrong)
                                 : ReadKeyFile(file.option, file.path, wrong);
    if (found.has_value()) *text = *found;
    return found.has_value();
  };
  if (!read(files.certificate, false, &pem.certificate) || !read(files.key, true, &pem.key) ||
      !read(files.ca, false, &pem.ca))
    return nullptr;
  TlsContext::Complaint complaint;
  auto context = TlsContext::New(settings, pem, &complaint);
  if (context != nullptr) return context;
  const TlsFiles::File& file = complaint.of == TlsContext::Complaint::Of::kKey  ? files.key
                               : complaint.of == TlsContext::Complaint::Of::kCa ? files.ca
                                                                                : files.certificate;
  *wrong = KeyFileSentence(file.option, file.path, complaint.what);
  return nullptr;
}

}  // namespace

std::unique_ptr<const TlsFiles> TlsFiles::Open(const TlsContext::Settings& settings, const Files& files,
                                               std::string* wrong) {
  auto context = WatchedFile<TlsContext>::Open(
      {files.certificate.path, files.key.path, files.ca.path},
      {"the certificate of " + files.certificate.option + " was read again from " + files.certificate.path,
       "what was read before stays in force"},
      [settings, files](std::string* why) { return ReadContext(settings, files, why); }, wrong);
  return context == nullptr ? nullptr : std::unique_ptr<const TlsFiles>(new TlsFiles(std::move(context)));
}

}  // namespace dormouse
