// For tests: what makes the processes of a cluster trust each other.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <vector>

#include "common/auth/testing/certificates.h"
#include "common/auth/testing/token_maker.h"
#include "common/rpc/link_credentials.h"
#include "common/rpc/link_gate.h"

namespace dormouse {

// A cluster's credentials. Throws where they cannot be used.
class TestTrust {
 public:
  virtual ~TestTrust() = default;

  std::shared_ptr<const LinkCredentials> Of(LinkRole role) const;
  // For a statekeeper's port. `admin_key`: the file; empty: none.
  std::shared_ptr<const LinkGate> NewGate(prometheus::Registry* registry,
                                          const std::string& admin_key = "") const;

  // The directory of its files.
  const KeyDirectory& files() const { return files_; }

 protected:
  virtual LinkCredentials::Files FilesOf(LinkRole role) const = 0;

 private:
  KeyDirectory files_;
};

// By a secret, in the file "secret".
class TestSecret final : public TestTrust {
 public:
  explicit TestSecret(char filler = 's') { files().Write("secret", std::string(32, filler)); }

 protected:
  LinkCredentials::Files FilesOf(LinkRole role) const override;
};

// By certificates of one authority, for each role one with its name alone: the files "ROLE.pem", "ROLE.key"
// and "ca.pem".
class TestCertificates final : public TestTrust {
 public:
  TestCertificates();

  struct Pem {
    std::string certificate;
    std::string key;
  };
  // `names`: DNS names among the subject's alternative names.
  Pem Certify(const std::vector<std::string>& names) const;
  std::string authority_pem() const;
  // Puts a new certificate in the place of the one that is there; `names`: with others than the role's.
  void Renew(LinkRole role, const std::vector<std::string>& names = {}) const;

  LinkCredentials::Files FilesOf(LinkRole role) const override;

 private:
  mutable TestAuthority authority_;
};

// What a LinkGate with this registry has counted so far, of that reason; -1: there is no such count.
double LinkRefusals(const prometheus::Registry& registry, const std::string& reason);

}  // namespace dormouse
