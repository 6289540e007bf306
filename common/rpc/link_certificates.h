// The certificate of a process for links between processes, its key, and the authorities (CA) that the
// others' certificates come from, all in PEM.
//
// The files are looked at once a second at most, when somebody asks, and read again when one of them has
// changed. What does not fit together (a new certificate whose key is not there yet, say) leaves in force
// what was read before, until it does, and is logged.
//
// Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "common/auth/file_watch.h"
#include "common/rpc/link_role.h"

namespace dormouse {

class LinkCertificates {
 public:
  struct File {
    std::string option;  // under which the user named it, without dashes
    std::string path;
  };
  struct Files {
    File certificate;  // with those between it and the authority, if there are any, behind it
    File key;
    File ca;
  };
  struct Pem {
    std::string certificate;
    std::string key;
    std::string ca;
  };

  // `self`: as whom the process shows the certificate. nullptr: the files cannot be used, `*wrong` is a
  // sentence that names option and file.
  static std::unique_ptr<const LinkCertificates> Read(Files files, LinkRole self, std::string* wrong);

  // Another object whenever the files have changed.
  std::shared_ptr<const Pem> Current() const;

 private:
  using Watches = std::array<FileWatch, 3>;

  LinkCertificates(Files files, LinkRole self, Watches watches, std::shared_ptr<const Pem> pem);

  const Files files_;
  const LinkRole self_;
  mutable std::mutex mutex_;  // guards what follows
  mutable Watches watches_;
  mutable int64_t looked_ms_;  // steady clock
  mutable std::shared_ptr<const Pem> pem_;
  mutable std::string unfit_;  // why what is in the files is not in force
};

}  // namespace dormouse
