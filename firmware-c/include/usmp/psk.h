/* Pre-shared keys: which are refused, one for each device of a fleet, and what a person sees of one (specification,
   section 10). */
#ifndef USMP_PSK_H
#define USMP_PSK_H

#include "usmp/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Refuses keys that can be guessed from one recorded handshake. Those are keys under 16 bytes or over 1024 (a wrong length); and,
   unless allow_weak, keys of fewer than 8 different byte values, or of printable text under 32 bytes. Returns 0 or
   USMP_ERR_WEAK_PSK. */
USMP_MUST_CHECK int usmp_psk_check(const uint8_t *psk, size_t psk_len, bool allow_weak);

/* One PSK a device from one master secret (32 random bytes or more, else USMP_ERR_WEAK_PSK), so that no device can pose
   as another or as the server: HKDF(master, no salt, "usmp-device-psk-v1" || device_id). */
USMP_MUST_CHECK int usmp_derive_device_psk(const usmp_crypto_t *crypto, const uint8_t *master, size_t master_len,
                                           const uint8_t device_id[USMP_DEVICE_ID_LEN], uint8_t psk[USMP_KEY_SIZE]);

#define USMP_FINGERPRINT_SIZE 10 /* "7Q4K-2MWD" and its zero */

/* What a person compares: 40 bits of HMAC-SHA256(PSK, "usmp-fingerprint-v1" || device_id). A device prints it at its start, and a
   gateway shows it of the key that was typed. For people with the key at hand only: it tests guesses of a weak key, so never send
   it. Returns 0, USMP_ERR_WEAK_PSK (under 16 bytes or over 1024), USMP_ERR_INVALID_ARGUMENT or USMP_ERR_CRYPTO_FAILED. */
USMP_MUST_CHECK int usmp_psk_fingerprint(const usmp_crypto_t *crypto, const uint8_t *psk, size_t psk_len,
                                         const uint8_t device_id[USMP_DEVICE_ID_LEN], char out[USMP_FINGERPRINT_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
