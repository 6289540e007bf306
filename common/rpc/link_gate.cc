#include "common/rpc/link_gate.h"

#include <fmt/format.h>
#include <grpc/grpc_security.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "common/rpc/link_role.h"

namespace dormouse {

struct LinkGate::Service {
  std::string_view prefix;
  std::vector<LinkRole> roles;
};

namespace {

using grpc::StatusCode;

constexpr std::string_view kScheme = "Bearer ";

std::string_view TextOf(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

// A port's side of gRPC: asks the gate about each call, and gives each new connection the certificate that is
// in force.
class Port {
 public:
  explicit Port(std::shared_ptr<const LinkGate> gate) : gate_(std::move(gate)) {}

  // grpc_auth_metadata_processor
  static void Process(void* state, grpc_auth_context* context, const grpc_metadata* metadata, size_t count,
                      grpc_process_auth_metadata_done_cb done, void* user_data) {
    LinkGate::Call call;
    for (size_t i = 0; i < count; ++i) {
      const std::string_view key = TextOf(metadata[i].key);
      if (key == ":path") call.path = TextOf(metadata[i].value);
      if (key == "authorization") call.authorization = TextOf(metadata[i].value);
    }
    grpc_auth_property_iterator names =
        grpc_auth_context_find_properties_by_name(context, GRPC_PEER_DNS_PROPERTY_NAME);
    while (const grpc_auth_property* name = grpc_auth_property_iterator_next(&names)) {
      call.names.emplace_back(name->value, name->value_length);
    }
    const grpc::Status status = static_cast<Port*>(state)->gate_->Judge(call);
    done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.error_code()),
         status.ok() ? nullptr : status.error_message().c_str());
  }
  static void Destroy(void* state) { delete static_cast<Port*>(state); }

  // grpc_ssl_server_certificate_config_callback
  static grpc_ssl_certificate_config_reload_status Fetch(void* state,
                                                         grpc_ssl_server_certificate_config** config) {
    return static_cast<Port*>(state)->Fetch(config);
  }

 private:
  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    auto pem = gate_->credentials().certificates()->Current();
    const std::lock_guard lock(mutex_);
    if (pem == given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    given_ = std::move(pem);
    const grpc_ssl_pem_key_cert_pair pair{given_->key.c_str(), given_->certificate.c_str()};
    *config = grpc_ssl_server_certificate_config_create(given_->ca.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const std::shared_ptr<const LinkGate> gate_;
  std::mutex mutex_;
  std::shared_ptr<const LinkCertificates::Pem> given_;  // mutex_
};

// gRPC's C++ library lets one judge the calls of encrypted ports only, its core those of all.
class GatedCredentials final : public grpc::ServerCredentials {
 public:
  explicit GatedCredentials(std::shared_ptr<const LinkGate> gate) : gate_(std::move(gate)) {}

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    Port* const port = new Port(gate_);
    grpc_server_credentials* const credentials =
        gate_->credentials().certificates() == nullptr
            ? grpc_insecure_server_credentials_create()
            : grpc_ssl_server_credentials_create_with_options(
                  grpc_ssl_server_credentials_create_options_using_config_fetcher(
                      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, Port::Fetch, port));
    grpc_server_credentials_set_auth_metadata_processor(credentials, {Port::Process, Port::Destroy, port});
    const int number = grpc_server_add_http2_port(server, address.c_str(), credentials);
    grpc_server_credentials_release(credentials);
    return number;
  }

  const std::shared_ptr<const LinkGate> gate_;
};

grpc::Status Unauthenticated(const std::string& why) { return {StatusCode::UNAUTHENTICATED, why}; }

}  // namespace

LinkGate::LinkGate(std::shared_ptr<const LinkCredentials> credentials,
                   std::shared_ptr<const SharedSecret> admin_key, prometheus::Registry* registry)
    : credentials_(std::move(credentials)), admin_key_(std::move(admin_key)) {
  auto& refusals = prometheus::BuildCounter()
                       .Name("dormouse_link_refusals_total")
                       .Help(
                           "Calls over TCP (listen) that were refused; token: bad, or too old; handshake: of "
                           "TLS, also where others refused this one; silent: connections that said nothing "
                           "sensible in time")
                       .Register(*registry);
  no_token_ = &refusals.Add({{"reason", "no_token"}});
  bad_token_ = &refusals.Add({{"reason", "token"}});
  role_ = &refusals.Add({{"reason", "role"}});
  handshake_ = &refusals.Add({{"reason", "handshake"}});
  silent_ = &refusals.Add({{"reason", "silent"}});
}

std::shared_ptr<grpc::ServerCredentials> LinkGate::OfPort(std::shared_ptr<const LinkGate> gate) {
  return std::make_shared<GatedCredentials>(std::move(gate));
}

const LinkGate::Service* LinkGate::FindService(std::string_view path) {
  static const std::vector<Service> services = {
      {"/dormouse.link.Edge/", {LinkRole::kGateway, LinkRole::kStatekeeper}},
      {"/dormouse.api.Hubs/", {LinkRole::kGateway, LinkRole::kStatekeeper}},
      {"/dormouse.app.AppHttp/", {LinkRole::kGateway, LinkRole::kStatekeeper}},
      {"/dormouse.peer.Peer/", {LinkRole::kStatekeeper}},
      {"/dormouse.calls.Calls/", {LinkRole::kStatekeeper}},
      {"/dormouse.admin.Admin/", {LinkRole::kOperator, LinkRole::kStatekeeper}},
  };
  const auto found = std::ranges::find_if(
      services, [path](const Service& service) { return path.starts_with(service.prefix); });
  return found == services.end() ? nullptr : &*found;
}

grpc::Status LinkGate::Judge(const Call& call) const {
  const Service* const service = FindService(call.path);
  if (service == nullptr) {
    return Refuse(role_, service, {StatusCode::PERMISSION_DENIED, "This statekeeper has no such service."});
  }
  std::vector<std::string> names = call.names;
  if (credentials_->certificates() == nullptr) {
    grpc::Status refusal;
    auto role = RoleByToken(*service, call.authorization, &refusal);
    if (!role.has_value()) {
      return Refuse(call.authorization.empty() ? no_token_ : bad_token_, service, refusal);
    }
    names = {std::move(*role)};
  }
  std::vector<std::string_view> wanted;
  for (const LinkRole role : service->roles) wanted.push_back(NameOf(role));
  const bool allowed = std::ranges::any_of(
      names, [&wanted](const std::string& name) { return std::ranges::count(wanted, name) > 0; });
  if (allowed) return grpc::Status::OK;
  return Refuse(role_, service,
                {StatusCode::PERMISSION_DENIED,
                 fmt::format("This is for {} only; {}.", fmt::join(wanted, " and "),
                             credentials_->certificates() == nullptr
                                 ? "the token was made as another"
                                 : "the certificate has no such subject alternative name")});
}

// As whom the token's bearer calls. Nothing: `*refusal`.
std::optional<std::string> LinkGate::RoleByToken(const Service& service, std::string_view authorization,
                                                 grpc::Status* refusal) const {
  const bool for_operators = std::ranges::count(service.roles, LinkRole::kOperator) > 0;
  const bool has_token = authorization.starts_with(kScheme);
  const std::string_view token = has_token ? authorization.substr(kScheme.size()) : "";
  std::string why;
  if (has_token) {
    auto role = credentials_->secret()->RoleOf(token, WallMs(), &why);
    if (role.has_value()) return role;
  }
  if (!for_operators) {
    *refusal = Unauthenticated(
        has_token ? why
                  : "This statekeeper asks for a token of the cluster's secret: start who calls it with "
                    "--cluster-secret FILE, too.");
    return std::nullopt;
  }
  if (admin_key_ == nullptr) {
    *refusal = Unauthenticated(
        "This statekeeper has no admin key, so it serves operators only on its own host, at the unix socket "
        "in the directory run of its data. To be asked over the network, all statekeepers need --admin-key "
        "FILE, and dormousectl the same file with --key.");
    return std::nullopt;
  }
  if (!has_token) {
    *refusal = Unauthenticated(
        "This statekeeper asks for the admin key: name the file with its secret with dormousectl --key.");
    return std::nullopt;
  }
  const auto role = admin_key_->RoleOf(token, WallMs(), &why);
  if (!role.has_value()) {
    *refusal = Unauthenticated(why);
    return std::nullopt;
  }
  // Whoever has this secret is an operator, and nobody else.
  return std::string(*role == NameOf(LinkRole::kOperator) ? *role : "");
}

grpc::Status LinkGate::Refuse(prometheus::Counter* counter, const Service* service,
                              const grpc::Status& why) const {
  counter->Increment();
  uint64_t left_out = 0;
  if (log_limit_.Take(&left_out)) {
    SPDLOG_WARN("Refused a call of {}: {} ({} more before)",
                service == nullptr ? "an unknown service" : service->prefix, why.error_message(), left_out);
  }
  return why;
}

}  // namespace dormouse
