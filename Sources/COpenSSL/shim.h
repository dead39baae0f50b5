// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

// The API of OpenSSL 3.0 without deprecated functions, so that later versions cannot break the build.
#define OPENSSL_API_COMPAT 30000
#define OPENSSL_NO_DEPRECATED

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// `CN = name, O = organisation`, in UTF-8.
static const unsigned long psu_oneLine = XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB;

// Text passed to X509_NAME is UTF-8.
static const int psu_utf8 = MBSTRING_UTF8;

// Whether checking a signature with the key takes at most about a millisecond. An RSA exponent can be as long as the
// modulus; usual ones have 17 bits.
static inline int psu_EVP_PKEY_is_quick(const EVP_PKEY *key) {
  if (key == NULL) return 1;
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: {
      BIGNUM *exponent = NULL;
      int bits = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 ? BN_num_bits(exponent) : 0;
      BN_free(exponent);
      return EVP_PKEY_get_bits(key) <= 8192 && bits <= 64;
    }
    case EVP_PKEY_DSA: return EVP_PKEY_get_bits(key) <= 3072;
    default: return EVP_PKEY_get_bits(key) <= 521;
  }
}
// The size of a certificate's name constraints in bytes, 0 if it has none. Every name in the chain is compared with each.
static inline int psu_X509_name_constraints_size(const X509 *certificate) {
  X509_EXTENSION *extension = X509_get_ext(certificate, X509_get_ext_by_NID(certificate, NID_name_constraints, -1));
  return extension == NULL ? 0 : ASN1_STRING_length(X509_EXTENSION_get_data(extension));
}

// The engine interface, with which Debian 12 reaches PKCS #11 tokens. It is deprecated, so the headers above do not
// declare it. A later libcrypto may lack it, so these are weak: NULL there.
extern __attribute__((weak)) ENGINE *ENGINE_by_id(const char *name);
extern __attribute__((weak)) int ENGINE_init(ENGINE *engine);
extern __attribute__((weak)) int ENGINE_free(ENGINE *engine);
extern __attribute__((weak)) int ENGINE_ctrl_cmd_string(
    ENGINE *engine, const char *command, const char *argument, int is_optional);
extern __attribute__((weak)) EVP_PKEY *ENGINE_load_private_key(
    ENGINE *engine, const char *key, UI_METHOD *method, void *argument);

// Whether libcrypto has the engine interface.
static inline int psu_has_engines(void) { return ENGINE_by_id != NULL; }
// The private key that an engine of that name, a file in libcrypto's directory of engines, finds for a URI. `is_there`
// is set to whether the engine exists. The engine stays initialised until the process ends, since the key needs it.
static inline EVP_PKEY *psu_engine_key(
    const char *name, const char *uri, UI_METHOD *method, void *argument, int *is_there) {
  *is_there = 0;
  // OPENSSL_INIT_ENGINE_DYNAMIC, which the headers hide too: engines are found by their file.
  if (!psu_has_engines() || OPENSSL_init_crypto(0x00000400L, NULL) != 1) return NULL;
  ENGINE *engine = ENGINE_by_id(name);
  if (engine == NULL) return NULL;
  *is_there = 1;
  // Otherwise it prints the URI, which may contain a PIN, to standard error.
  ENGINE_ctrl_cmd_string(engine, "QUIET", NULL, 1);
  EVP_PKEY *key = ENGINE_init(engine) == 1 ? ENGINE_load_private_key(engine, uri, method, argument) : NULL;
  ENGINE_free(engine);
  return key;
}

// Swift cannot call function-like macros; each of these wraps one.
static inline long psu_BIO_get_mem_data(BIO *bio, char **data) { return BIO_get_mem_data(bio, data); }
static inline EVP_PKEY *psu_EVP_RSA_gen(unsigned int bits) { return EVP_RSA_gen(bits); }
// Whether the certificate has this extended key usage (RFC 5280 section 4.2.1.12), given as dotted text.
static inline int psu_X509_has_key_usage(X509 *certificate, const char *oid) {
  EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
  if (usages == NULL) { return 0; }
  ASN1_OBJECT *wanted = OBJ_txt2obj(oid, 1);
  int found = 0;
  for (int i = 0; wanted != NULL && i < sk_ASN1_OBJECT_num(usages); i++) {
    found |= OBJ_cmp(wanted, sk_ASN1_OBJECT_value(usages, i)) == 0;
  }
  ASN1_OBJECT_free(wanted);
  EXTENDED_KEY_USAGE_free(usages);
  return found;
}
static inline int psu_sk_X509_num(const STACK_OF(X509) *certificates) { return sk_X509_num(certificates); }
static inline X509 *psu_sk_X509_value(const STACK_OF(X509) *certificates, int index) {
  return sk_X509_value(certificates, index);
}
static inline STACK_OF(X509) *psu_sk_X509_new_null(void) { return sk_X509_new_null(); }
static inline int psu_sk_X509_push(STACK_OF(X509) *certificates, X509 *certificate) {
  return sk_X509_push(certificates, certificate);
}
static inline void psu_sk_X509_free(STACK_OF(X509) *certificates) { sk_X509_free(certificates); }
static inline int psu_sk_PKCS7_SIGNER_INFO_num(const STACK_OF(PKCS7_SIGNER_INFO) *signers) {
  return sk_PKCS7_SIGNER_INFO_num(signers);
}
static inline PKCS7_SIGNER_INFO *psu_sk_PKCS7_SIGNER_INFO_value(
    const STACK_OF(PKCS7_SIGNER_INFO) *signers, int index) {
  return sk_PKCS7_SIGNER_INFO_value(signers, index);
}
static inline int psu_PKCS7_has_attributes(const PKCS7_SIGNER_INFO *signer) { return signer->auth_attr != NULL; }
static inline int psu_PKCS7_digest_nid(const PKCS7_SIGNER_INFO *signer) {
  return signer->digest_alg == NULL ? NID_undef : OBJ_obj2nid(signer->digest_alg->algorithm);
}
static inline const X509_NAME *psu_PKCS7_issuer(const PKCS7_SIGNER_INFO *signer) {
  return signer->issuer_and_serial->issuer;
}
static inline const ASN1_INTEGER *psu_PKCS7_serial(const PKCS7_SIGNER_INFO *signer) {
  return signer->issuer_and_serial->serial;
}
// The DER encoding of an unsigned attribute's value if it is a SEQUENCE, else NULL. The attributes are numbered from 0;
// `type` is set to the attribute's type, and to NULL after the last one.
static inline const ASN1_STRING *psu_PKCS7_unsigned_attribute(
    const PKCS7_SIGNER_INFO *signer, int index, int value, const ASN1_OBJECT **type) {
  X509_ATTRIBUTE *attribute =
      signer->unauth_attr == NULL ? NULL : sk_X509_ATTRIBUTE_value(signer->unauth_attr, index);
  *type = attribute == NULL ? NULL : X509_ATTRIBUTE_get0_object(attribute);
  const ASN1_TYPE *found = attribute == NULL ? NULL : X509_ATTRIBUTE_get0_type(attribute, value);
  return found == NULL || found->type != V_ASN1_SEQUENCE ? NULL : found->value.sequence;
}
static inline int psu_PKCS7_set_detached(PKCS7 *p7, long detached) { return PKCS7_set_detached(p7, detached); }
static inline int psu_PKCS7_type_is_signed(PKCS7 *p7) { return PKCS7_type_is_signed(p7); }
// `contents` and `other` are in unions of a structure that has a bit field in some versions. The parser leaves optional
// parts NULL.
static inline PKCS7 *psu_PKCS7_contents(const PKCS7 *p7) {
  return p7->d.sign == NULL ? NULL : p7->d.sign->contents;
}
static inline STACK_OF(X509) *psu_PKCS7_certificates(const PKCS7 *p7) { return p7->d.sign->cert; }
static inline long psu_PKCS7_version(const PKCS7 *p7) { return ASN1_INTEGER_get(p7->d.sign->version); }
// The content's bytes with tag and length, for a content type that libcrypto does not know (for the types it knows, the
// union contains something else); NULL if there are none.
static inline const ASN1_STRING *psu_PKCS7_other_content(const PKCS7 *p7) {
  const PKCS7 *contents = p7->d.sign->contents;
  switch (OBJ_obj2nid(contents->type)) {
    case NID_pkcs7_data:
    case NID_pkcs7_signed:
    case NID_pkcs7_enveloped:
    case NID_pkcs7_signedAndEnveloped:
    case NID_pkcs7_digest:
    case NID_pkcs7_encrypted:
      return NULL;
  }
  if (contents->d.other == NULL || contents->d.other->type != V_ASN1_SEQUENCE) return NULL;
  return contents->d.other->value.sequence;
}
// Sets content of a type that libcrypto does not know. Takes ownership of `type`, and of `sequence` on success only.
static inline int psu_PKCS7_set_other_content(PKCS7 *p7, ASN1_OBJECT *type, ASN1_STRING *sequence) {
  PKCS7 *contents = PKCS7_new();
  ASN1_TYPE *value = ASN1_TYPE_new();
  if (contents == NULL || value == NULL) {
    PKCS7_free(contents);
    ASN1_TYPE_free(value);
    ASN1_OBJECT_free(type);
    return 0;
  }
  ASN1_TYPE_set(value, V_ASN1_SEQUENCE, sequence);
  contents->type = type;
  contents->d.other = value;
  return PKCS7_set_content(p7, contents);
}
