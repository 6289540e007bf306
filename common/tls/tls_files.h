// A TLS context of files that the user named, which follows them: looked at once a second at most, when a session begins,
// and read again when one of them has changed. What does not fit together (a new certificate whose key is not there yet, say),
// or is not valid now, leaves in force what was read before, and is logged.
//
// Any thread.
#pragma once

#include <memory>
#include <string>

#include "common/auth/watched_file.h"
#include "common/tls/tls_context.h"

namespace dormouse {

class TlsFiles {
 public:
  struct File {
    std::string option;  // under which the user named it, without dashes
    std::string path;    // empty: none
  };
  struct Files {
    File certificate;
    File key;
    File ca;
  };

  // nullptr: they cannot be used, `*wrong` is a sentence that names option and file.
  static std::unique_ptr<const TlsFiles> Open(const TlsContext::Settings& settings, const Files& files,
                                              std::string* wrong);

  // Another object whenever the files have changed.
  std::shared_ptr<const TlsContext> Current() const { return context_->Current(); }
  // Reads them now.
  void ReadAgain() const { context_->ReadAgain(); }

 private:
  explicit TlsFiles(std::unique_ptr<const WatchedFile<TlsContext>> context) : context_(std::move(context)) {}

  const std::unique_ptr<const WatchedFile<TlsContext>> context_;
};

}  // namespace dormouse
