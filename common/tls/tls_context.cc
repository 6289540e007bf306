#include "common/tls/tls_context.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <ctime>
#include <new>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/auth/pem.h"
#include "common/clock.h"

namespace dormouse {
namespace {

// AES with 128 bits first: it is as good as any, and the cheapest.
constexpr char kCiphers13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kCiphers12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kGroups[] = "X25519:P-256:P-384";

using Complaint = TlsContext::Complaint;

bool Complain(Complaint* complaint, Complaint::Of of, std::string what) {
  ERR_clear_error();
  *complaint = {of, std::move(what)};
  return false;
}

int64_t MsOf(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? int64_t{timegm(&parts)} * 1000 : 0;
}

std::string WordsFor(const ASN1_TIME* time) {
  std::tm parts{};
  char words[64] = "?";
  if (ASN1_TIME_to_tm(time, &parts) == 1)
    std::strftime(words, sizeof(words), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return words;
}

// As ALPN writes names: each after its length.
std::string OnTheWire(const std::string& protocol) { return static_cast<char>(protocol.size()) + protocol; }

int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                   unsigned offered_size, void* context) {
  const std::string& protocol = *static_cast<const std::string*>(context);
  for (unsigned at = 0; at < offered_size; at += 1u + offered[at]) {
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != protocol) continue;
    *out = offered + at + 1;
    *out_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

const unsigned char* Bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// As SSL_CTX_set_tlsext_ticket_key_evp_cb has it.
int UseTicketKey(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                 int is_new) {
  const auto* tickets = static_cast<const TlsTickets*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  std::optional<TlsTickets::Key> key;
  if (is_new == 1) {
    key = tickets->New(SSL_version(ssl) >= TLS1_3_VERSION, WallMs());
    key->name.copy(reinterpret_cast<char*>(name), TlsTickets::kNameSize);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  } else {
    key = tickets->Find({reinterpret_cast<const char*>(name), TlsTickets::kNameSize}, WallMs());
    if (!key.has_value()) return 0;
  }
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac.data(), key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>("sha256"), 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, params) != 1 ||
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, Bytes(key->cipher), iv, is_new) != 1)
    return -1;
  return key->is_old ? 2 : 1;  // 2: with a new one
}

}  // namespace

TlsContext::TlsContext(Settings settings)
    : settings_(std::move(settings)),
      context_(SSL_CTX_new(settings_.role == Role::kServer ? TLS_server_method() : TLS_client_method())) {
  if (context_ == nullptr) throw std::bad_alloc();
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

std::shared_ptr<const TlsContext> TlsContext::New(const Settings& settings, const Pem& pem,
                                                  Complaint* complaint) {
  ERR_clear_error();
  const std::shared_ptr<TlsContext> made(new TlsContext(settings));
  made->SetRules();
  if (!made->UseCertificate(pem, complaint) || !made->UseAuthorities(pem, complaint)) return nullptr;
  return made;
}

void TlsContext::SetRules() {
  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context_, kCiphers12);
  SSL_CTX_set_ciphersuites(context_, kCiphers13);
  SSL_CTX_set1_groups_list(context_, kGroups);
  // Whoever has no AES in hardware asks for ChaCha20 first, and gets it. An end without a farewell is an end: what is
  // said above says by itself whether it is whole.
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Whoever is silent has no buffers.
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context_, 1);  // one read of the socket rather than two for each record
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context_, TlsTickets::kPeriodMs / 1000);
  const bool gives_tickets =
      settings_.role == Role::kServer && settings_.tickets != nullptr && !settings_.verifies_peer;
  if (gives_tickets) {
    SSL_CTX_set_app_data(context_, const_cast<TlsTickets*>(settings_.tickets.get()));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context_, UseTicketKey);
    SSL_CTX_set_num_tickets(context_, 1);
  } else if (settings_.role == Role::kServer) {
    SSL_CTX_set_options(context_, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context_, 0);
  }
  if (settings_.protocol.empty()) return;
  if (settings_.role == Role::kServer) {
    SSL_CTX_set_alpn_select_cb(context_, ChooseProtocol, const_cast<std::string*>(&settings_.protocol));
  } else {
    const std::string offer = OnTheWire(settings_.protocol);
    SSL_CTX_set_alpn_protos(context_, Bytes(offer), static_cast<unsigned>(offer.size()));
  }
}

bool TlsContext::UseCertificate(const Pem& pem, Complaint* complaint) {
  if (settings_.role == Role::kClient && pem.certificate.empty() && pem.key.empty()) return true;
  const std::vector<OwnedCertificate> certificates = ReadCertificates(pem.certificate);
  if (certificates.empty())
    return Complain(complaint, Complaint::Of::kCertificate, "holds no certificate in PEM");
  const OwnedKey key = ReadPrivateKey(pem.key);
  if (key == nullptr)
    return Complain(complaint, Complaint::Of::kKey, "holds no private key in PEM without a passphrase");
  X509* const own = certificates.front().get();
  if (X509_check_private_key(own, key.get()) != 1)
    return Complain(complaint, Complaint::Of::kKey, "does not belong to the certificate");
  if (X509_cmp_current_time(X509_get0_notBefore(own)) > 0) {
    return Complain(complaint, Complaint::Of::kCertificate,
                    "is not valid before " + WordsFor(X509_get0_notBefore(own)));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0) {
    return Complain(complaint, Complaint::Of::kCertificate,
                    "expired at " + WordsFor(X509_get0_notAfter(own)));
  }
  if (SSL_CTX_use_certificate(context_, own) != 1) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    return Complain(complaint, Complaint::Of::kCertificate,
                    std::string("cannot be used: ") + (reason == nullptr ? "unknown" : reason));
  }
  for (size_t i = 1; i < certificates.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context_, certificates[i].get()) != 1)
      return Complain(complaint, Complaint::Of::kCertificate,
                      "has a certificate behind the first that cannot be used");
  }
  SSL_CTX_set_mode(context_,
                   SSL_MODE_NO_AUTO_CHAIN);  // what is sent is what the file has, and nothing is searched
  if (SSL_CTX_use_PrivateKey(context_, key.get()) != 1)
    return Complain(complaint, Complaint::Of::kKey, "cannot be used with the certificate");
  expires_ms_ = MsOf(X509_get0_notAfter(own));
  return true;
}

bool TlsContext::UseAuthorities(const Pem& pem, Complaint* complaint) {
  if (!settings_.verifies_peer) return true;
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  if (pem.ca.empty()) return SSL_CTX_set_default_verify_paths(context_) == 1;
  const std::vector<OwnedCertificate> authorities = ReadCertificates(pem.ca);
  if (authorities.empty()) return Complain(complaint, Complaint::Of::kCa, "holds no certificate in PEM");
  X509_STORE* const store = SSL_CTX_get_cert_store(context_);
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  for (const OwnedCertificate& authority : authorities) {
    X509_STORE_add_cert(store, authority.get());
    // Clients with several certificates choose by these.
    if (settings_.role == Role::kServer) SSL_CTX_add_client_CA(context_, authority.get());
  }
  return true;
}

}  // namespace dormouse
