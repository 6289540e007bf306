#include "statekeeper/store/redis/redis_tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "common/loop/host_lookup.h"

namespace dormouse {
namespace {

using Context = std::unique_ptr<SSL_CTX, decltype([](SSL_CTX* context) { SSL_CTX_free(context); })>;

// The first of those that led to the failure: the others say less and less.
std::string FirstError() {
  const unsigned long error = ERR_peek_error();
  if (ERR_SYSTEM_ERROR(error)) return std::strerror(ERR_GET_REASON(error));
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? "it is not in PEM" : reason;
}

// Null: `*trouble` names the file that is wrong.
Context NewContext(const RedisFiles& files, RedisTrouble* trouble) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_client_method()));
  const auto wrong = [&](const char* option, const std::string& path) {
    *trouble = {fmt::format("the file of {}, {}, cannot be used: {}", option, path, FirstError()), true};
    ERR_clear_error();
    return nullptr;
  };
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  // An end without a farewell is one like any other: what counts are the answers that have come.
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_read_ahead(context.get(), 1);  // one system call rather than two for each record
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  // A key that asks for a passphrase must not wait for somebody at a terminal.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });
  if (files.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_file(context.get(), files.ca.c_str()) != 1) {
    return wrong("store-ca", files.ca);
  }
  if (files.certificate.empty()) return context;
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
    return wrong("store-certificate", files.certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return wrong("store-key", files.key);
  }
  return context;
}

}  // namespace

std::unique_ptr<RedisTls> RedisTls::New(const RedisFiles& files, const std::string& host,
                                        RedisTrouble* trouble) {
  const Context context = NewContext(files, trouble);
  if (context == nullptr) return nullptr;
  SSL* ssl = SSL_new(context.get());
  X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(ssl), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (IsNumericAddress(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  } else {
    SSL_set1_host(ssl, host.c_str());
    SSL_set_tlsext_host_name(ssl, host.c_str());
  }
  return std::unique_ptr<RedisTls>(new RedisTls(ssl, files, host));
}

void RedisTls::Attach(int socket) {
  SSL_set_fd(ssl_.get(), socket);
  SSL_set_connect_state(ssl_.get());
}

RedisTls::Result RedisTls::Handshake() {
  ERR_clear_error();
  return Judge(SSL_do_handshake(ssl_.get()));
}

std::optional<size_t> RedisTls::Read(char* buffer, size_t size) {
  ERR_clear_error();
  size_t got = 0;
  const Result result = Judge(SSL_read_ex(ssl_.get(), buffer, size, &got));
  return result == Result::kEnded ? std::nullopt : std::optional(got);
}

std::optional<size_t> RedisTls::Write(std::string_view bytes) {
  ERR_clear_error();
  size_t taken = 0;
  const Result result = Judge(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &taken));
  return result == Result::kEnded ? std::nullopt : std::optional(taken);
}

RedisTls::Result RedisTls::Judge(int result) {
  if (result > 0) return Result::kDone;
  const int system_error = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Result::kLater;
    case SSL_ERROR_ZERO_RETURN:
      trouble_ = {SSL_is_init_finished(ssl_.get()) ? "connection closed"
                                                   : "it closed the connection during the TLS handshake"};
      break;
    case SSL_ERROR_SYSCALL:
      trouble_ = {std::strerror(system_error)};
      break;
    default: {
      const long verdict = SSL_get_verify_result(ssl_.get());
      trouble_ = verdict != X509_V_OK ? WhyUntrusted(verdict) : WhyEnded(ERR_peek_last_error());
    }
  }
  ERR_clear_error();
  return Result::kEnded;
}

RedisTrouble RedisTls::WhyUntrusted(long verdict) const {
  switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {fmt::format("its certificate is for other hosts than {}: name the host as the certificate does "
                          "(subjectAltName), or have one made for {}",
                          host_, host_),
              true};
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {fmt::format("its certificate is not valid now ({}): renew it, or set this host's clock",
                          X509_verify_cert_error_string(verdict)),
              true};
    default:
      return {fmt::format("its certificate is not of an authority that {} ({}): give the certificate of its "
                          "authority with store-ca",
                          files_.ca.empty() ? "this host trusts" : "is in " + files_.ca,
                          X509_verify_cert_error_string(verdict)),
              true};
  }
}

RedisTrouble RedisTls::WhyEnded(unsigned long error) const {
  const char* text = ERR_reason_error_string(error);
  const std::string reason = text == nullptr ? "unknown" : text;
  switch (ERR_GET_REASON(error)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return {
          "it does not speak TLS at this port: write the URL without the s of rediss, or name its port "
          "for TLS",
          true};
    // Alerts: what the server says.
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      if (files_.certificate.empty()) {
        return {"it asks for a client certificate: give one with store-certificate and store-key", true};
      }
      [[fallthrough]];
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      if (!files_.certificate.empty()) {
        return {fmt::format("it does not take the client certificate in {} ({}): give one of an authority "
                            "that it trusts with store-certificate and store-key",
                            files_.certificate, reason),
                true};
      }
      [[fallthrough]];
    default:
      return {"TLS fails: " + reason};
  }
}

}  // namespace dormouse
