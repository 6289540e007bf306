#include "common/rpc/testing/test_trust.h"

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "common/ids.h"

namespace dormouse {
namespace {

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

std::shared_ptr<const LinkCredentials> TestTrust::Of(LinkRole role) const {
  std::string wrong;
  auto credentials = LinkCredentials::Read(FilesOf(role), role, &wrong);
  if (credentials == nullptr) throw std::runtime_error(wrong);
  return credentials;
}

std::shared_ptr<const LinkGate> TestTrust::NewGate(prometheus::Registry* registry,
                                                   const std::string& admin_key) const {
  std::string wrong;
  std::shared_ptr<const SharedSecret> key;
  if (!admin_key.empty()) {
    key = SharedSecret::Read("admin-key", admin_key, &wrong);
    if (key == nullptr) throw std::runtime_error(wrong);
  }
  return std::make_shared<const LinkGate>(Of(LinkRole::kStatekeeper), std::move(key), registry);
}

LinkCredentials::Files TestSecret::FilesOf(LinkRole) const {
  return {{"cluster-secret", files().Path("secret")}, {}};
}

TestCertificates::TestCertificates() : authority_("Test authority " + std::to_string(NewGatewayId())) {
  for (const LinkRole role : {LinkRole::kGateway, LinkRole::kStatekeeper, LinkRole::kOperator}) Renew(role);
  files().Write("ca.pem", authority_pem());
}

TestCertificates::Pem TestCertificates::Certify(const std::vector<std::string>& names) const {
  std::string hosts;
  for (const std::string& name : names) hosts += (hosts.empty() ? "DNS:" : ",DNS:") + name;
  const CertificateFiles made = authority_.Certify("process", hosts);
  return {ReadText(made.certificate), ReadText(made.key)};
}

std::string TestCertificates::authority_pem() const { return ReadText(authority_.file()); }

void TestCertificates::Renew(LinkRole role, const std::vector<std::string>& names) const {
  const std::string name(NameOf(role));
  const Pem made = Certify(names.empty() ? std::vector{name} : names);
  files().Write(name + ".key", made.key);
  files().Write(name + ".pem", made.certificate);
}

LinkCredentials::Files TestCertificates::FilesOf(LinkRole role) const {
  const std::string name(NameOf(role));
  return {{},
          {{"link-certificate", files().Path(name + ".pem")},
           {"link-key", files().Path(name + ".key")},
           {"link-ca", files().Path("ca.pem")}}};
}

double LinkRefusals(const prometheus::Registry& registry, const std::string& reason) {
  for (const auto& family : registry.Collect()) {
    if (family.name != "dormouse_link_refusals_total") continue;
    for (const auto& metric : family.metric) {
      if (metric.label[0].value == reason) return metric.counter.value;
    }
  }
  return -1;
}

}  // namespace dormouse
