/* What updates ask of a crypto library: Ed25519 (RFC 8032), SHA-256 and SHA-512, as one small table. The sessions' own table
   (usmp/crypto.h) has neither. Take one of each:

     Ed25519   usmp_ota_monocypher (ota/crypto/monocypher.c), usmp_ota_sodium (ota/crypto/sodium.c)
     hashes    usmp_ota_psa_hashes (ota/crypto/psa_hashes.c), usmp_ota_bearssl_hashes (ota/crypto/bearssl_hashes.c)

   The functions must not call the state machine back, and must not keep a pointer that they were given. */
#ifndef USMP_OTA_CRYPTO_H
#define USMP_OTA_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usmp/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes. */
#define USMP_ED25519_KEY_SIZE 32
#define USMP_ED25519_SIGNATURE_SIZE 64
#define USMP_SHA256_SIZE 32
#define USMP_SHA512_SIZE 64

/* Memory for a hash under way, in place of the library's own type. */
#ifndef USMP_SHA256_STATE_SIZE
#define USMP_SHA256_STATE_SIZE 320
#endif
typedef union usmp_sha256_state {
  uint64_t align;
  void *align_pointer;
  uint8_t bytes[USMP_SHA256_STATE_SIZE];
} usmp_sha256_state_t;

/* Each returns 0, or anything else when the library failed. After `begin`, `finish` is always called, once, so that the library
   can give back what it took; a null `digest` throws the hash away. */
typedef struct usmp_hashes {
  /* SHA-256 of what comes in pieces. */
  int (*begin)(usmp_sha256_state_t *state);
  int (*update)(usmp_sha256_state_t *state, const uint8_t *data, size_t len);
  int (*finish)(usmp_sha256_state_t *state, uint8_t *digest);
  /* SHA-512 of `first`, 64 bytes, and `second` behind it: what Ed25519 asks for. */
  int (*sha512)(const uint8_t first[64], const uint8_t *second, size_t len, uint8_t digest[USMP_SHA512_SIZE]);
} usmp_hashes_t;

typedef struct usmp_ed25519 {
  /* 0: `signature` is one of `key` over the message with this hash, by the equation of RFC 8032 (section 5.1.7) with the cofactor:
     8*S*B is 8*R + 8*h*A. `hash` is SHA-512(R || A || message), not reduced to h yet. Anything else: it is not. Called by usmp_ed25519_verify only, which has seen that A (the key), R and S are as strict as they must be;
     whether R is a point at all is for `verify` to see. */
  int (*verify)(const uint8_t key[USMP_ED25519_KEY_SIZE], const uint8_t hash[USMP_SHA512_SIZE],
                const uint8_t signature[USMP_ED25519_SIGNATURE_SIZE]);
  /* 0: the bytes are the encoding of a point of the curve. */
  int (*is_point)(const uint8_t key[USMP_ED25519_KEY_SIZE]);
} usmp_ed25519_t;

typedef struct usmp_ota_crypto {
  const usmp_ed25519_t *ed25519;
  const usmp_hashes_t *hashes;
} usmp_ota_crypto_t;

/* True for a key that may be trusted: the one encoding of a point of the curve, and none of the eight points of small order, under which
   one signature is good for many messages. */
USMP_MUST_CHECK bool usmp_ed25519_key_is_trustworthy(const usmp_ota_crypto_t *crypto, const uint8_t key[USMP_ED25519_KEY_SIZE]);

/* The one way in which the table's `verify` is called. True: `signature` is good, and in its only form: S is less than the order of the
   group, and key and R are canonical and not of small order. Every back end gives the same verdict, and so does packages/ota. */
USMP_MUST_CHECK bool usmp_ed25519_verify(const usmp_ota_crypto_t *crypto, const uint8_t key[USMP_ED25519_KEY_SIZE],
                                         const uint8_t *message, size_t len,
                                         const uint8_t signature[USMP_ED25519_SIGNATURE_SIZE]);

/* 0, or anything else when the library failed: then nothing of `digest` may be used. */
USMP_MUST_CHECK int usmp_sha256(const usmp_ota_crypto_t *crypto, const uint8_t *data, size_t len,
                                uint8_t digest[USMP_SHA256_SIZE]);

/* ---- back ends: each is there when its file is compiled in ---- */

extern const usmp_ed25519_t usmp_ota_monocypher;
extern const usmp_ed25519_t usmp_ota_sodium;
extern const usmp_hashes_t usmp_ota_psa_hashes;
extern const usmp_hashes_t usmp_ota_bearssl_hashes;

#ifdef __cplusplus
}
#endif
#endif
