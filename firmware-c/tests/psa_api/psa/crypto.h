/* The part of the PSA Crypto API 1.2 that crypto/psa.c and ota/crypto/psa_hashes.c use, as its specification has it: types without insides,
   constants without values. What compiles against this uses no name of mbedTLS's own, of which version 4 dropped many. Nothing links. */
#ifndef USMP_TESTS_PSA_API_H
#define USMP_TESTS_PSA_API_H

#include <stddef.h>
#include <stdint.h>

typedef int32_t psa_status_t;
typedef uint16_t psa_key_type_t;
typedef uint8_t psa_ecc_family_t;
typedef uint32_t psa_algorithm_t;
typedef uint32_t psa_key_usage_t;
typedef uint32_t psa_key_id_t;
typedef struct psa_key_attributes_s {
  const void *opaque;
} psa_key_attributes_t;

extern const psa_status_t api_status[4];
extern const psa_key_type_t api_key_type[3];
extern const psa_algorithm_t api_algorithm[6];
extern const psa_key_usage_t api_usage[4];

#define PSA_SUCCESS (api_status[0])
#define PSA_ERROR_NOT_SUPPORTED (api_status[1])
#define PSA_ERROR_INVALID_ARGUMENT (api_status[2])
#define PSA_ERROR_INVALID_SIGNATURE (api_status[3])
#define PSA_KEY_ATTRIBUTES_INIT \
  {                             \
    NULL                        \
  }
#define PSA_KEY_TYPE_HMAC (api_key_type[0])
#define PSA_KEY_TYPE_AES (api_key_type[1])
#define PSA_KEY_TYPE_CHACHA20 (api_key_type[2])
#define PSA_ECC_FAMILY_MONTGOMERY ((psa_ecc_family_t)0x41)
#define PSA_KEY_TYPE_ECC_KEY_PAIR(family) ((psa_key_type_t)(0x7100 | (family)))
#define PSA_ALG_SHA_256 (api_algorithm[0])
#define PSA_ALG_HMAC(hash) ((psa_algorithm_t)(api_algorithm[1] | (hash)))
#define PSA_ALG_ECDH (api_algorithm[2])
#define PSA_ALG_GCM (api_algorithm[3])
#define PSA_ALG_CHACHA20_POLY1305 (api_algorithm[4])
#define PSA_ALG_SHA_512 (api_algorithm[5])
#define PSA_KEY_USAGE_ENCRYPT (api_usage[0])
#define PSA_KEY_USAGE_DECRYPT (api_usage[1])
#define PSA_KEY_USAGE_SIGN_MESSAGE (api_usage[2])
#define PSA_KEY_USAGE_DERIVE (api_usage[3])

typedef struct psa_hash_operation_s {
  const void *opaque;
} psa_hash_operation_t;

psa_status_t psa_crypto_init(void);
psa_hash_operation_t psa_hash_operation_init(void);
psa_status_t psa_hash_setup(psa_hash_operation_t *operation, psa_algorithm_t alg);
psa_status_t psa_hash_update(psa_hash_operation_t *operation, const uint8_t *input, size_t input_length);
psa_status_t psa_hash_finish(psa_hash_operation_t *operation, uint8_t *hash, size_t hash_size, size_t *hash_length);
psa_status_t psa_hash_abort(psa_hash_operation_t *operation);
void psa_set_key_type(psa_key_attributes_t *attributes, psa_key_type_t type);
void psa_set_key_usage_flags(psa_key_attributes_t *attributes, psa_key_usage_t usage_flags);
void psa_set_key_algorithm(psa_key_attributes_t *attributes, psa_algorithm_t alg);
psa_status_t psa_import_key(const psa_key_attributes_t *attributes, const uint8_t *data, size_t data_length, psa_key_id_t *key);
psa_status_t psa_destroy_key(psa_key_id_t key);
psa_status_t psa_export_public_key(psa_key_id_t key, uint8_t *data, size_t data_size, size_t *data_length);
psa_status_t psa_mac_compute(psa_key_id_t key, psa_algorithm_t alg, const uint8_t *input, size_t input_length, uint8_t *mac,
                             size_t mac_size, size_t *mac_length);
psa_status_t psa_raw_key_agreement(psa_algorithm_t alg, psa_key_id_t private_key, const uint8_t *peer_key,
                                   size_t peer_key_length, uint8_t *output, size_t output_size, size_t *output_length);
psa_status_t psa_aead_encrypt(psa_key_id_t key, psa_algorithm_t alg, const uint8_t *nonce, size_t nonce_length,
                              const uint8_t *additional_data, size_t additional_data_length, const uint8_t *plaintext,
                              size_t plaintext_length, uint8_t *ciphertext, size_t ciphertext_size, size_t *ciphertext_length);
psa_status_t psa_aead_decrypt(psa_key_id_t key, psa_algorithm_t alg, const uint8_t *nonce, size_t nonce_length,
                              const uint8_t *additional_data, size_t additional_data_length, const uint8_t *ciphertext,
                              size_t ciphertext_length, uint8_t *plaintext, size_t plaintext_size, size_t *plaintext_length);

#endif
