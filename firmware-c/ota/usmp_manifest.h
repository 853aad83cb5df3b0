/* The signed manifest of a firmware image (specification, section 13.2): what an update is, for which devices, and who says so.

     signed part (96 to 448 bytes) || Ed25519 signature (64 bytes) over "usmp-ota-v1" 0x00 || signed part

   usmp_manifest_parse looks at form alone and proves nothing: no field of a manifest may lead to anything before
   usmp_manifest_judge has returned 0 for it. That is the one place that decides whether an update may be made. */
#ifndef USMP_MANIFEST_H
#define USMP_MANIFEST_H

#include "usmp_ota_crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes. */
#define USMP_MANIFEST_SIGNED_MIN 96
#define USMP_MANIFEST_SIGNED_MAX 448
#define USMP_MANIFEST_MIN (USMP_MANIFEST_SIGNED_MIN + USMP_ED25519_SIGNATURE_SIZE)
#define USMP_MANIFEST_MAX (USMP_MANIFEST_SIGNED_MAX + USMP_ED25519_SIGNATURE_SIZE)
#define USMP_KEY_ID_SIZE 8
#define USMP_PRODUCT_MAX 16
#define USMP_CHIP_MAX 8
#define USMP_IMAGE_NAME_MAX 32
#define USMP_REVOKED_MAX 8
/* Public keys of publishers that a device trusts at the same time. */
#define USMP_OTA_KEYS_MAX 3

/* Why a device refuses an update, or gives one up: the code of the error answer, and of the notification ota.failed.
   The numbers never change; packages/ota has the same. */
typedef enum usmp_ota_code {
  USMP_OTA_MALFORMED = -32010,     /* no manifest: length, magic, format, flags, an unknown field that must be understood */
  USMP_OTA_UNKNOWN_KEY = -32011,   /* signed by a key that this device does not know */
  USMP_OTA_REVOKED_KEY = -32012,   /* signed by a key that was revoked */
  USMP_OTA_BAD_SIGNATURE = -32013, /* not signed by the key that it names */
  USMP_OTA_WRONG_PRODUCT = -32014,
  USMP_OTA_WRONG_CHIP = -32015,
  USMP_OTA_DOWNGRADE = -32016,       /* its security counter is lower than the device's */
  USMP_OTA_VERSION_TOO_OLD = -32017, /* the running version is lower than the least one from which it may be made */
  USMP_OTA_TOO_LARGE = -32018,       /* the image does not fit the slot */
  USMP_OTA_EXPIRED = -32019,         /* its last day is over; only where the device knows the date */
  USMP_OTA_NOT_NOW = -32020,         /* the application does not want to now */
  USMP_OTA_BUSY = -32021,            /* a running image waits for its confirmation, or another transfer is under way */
  USMP_OTA_FLASH = -32022,           /* the flash or the record could not be read or written */
  USMP_OTA_WRONG_IMAGE = -32023,     /* what was received is not the image of the manifest */
  USMP_OTA_NOT_STAGED = -32024       /* ota.apply for an image that is not staged */
} usmp_ota_code_t;

/* "DOWNGRADE" for -32016; "UNKNOWN" for a number that is not in the list. */
const char *usmp_ota_code_name(int code);

/* A version in 32 bits: compare as numbers. major and minor are at most 255, patch at most 65535. */
#define USMP_OTA_VERSION(major, minor, patch) ((uint32_t)(major) << 24 | (uint32_t)(minor) << 16 | (uint32_t)(patch))
#define USMP_OTA_VERSION_TEXT_SIZE 14 /* "255.255.65535" and its zero */
/* "1.2.3" for 0x01020003. */
void usmp_ota_version_text(uint32_t version, char text[USMP_OTA_VERSION_TEXT_SIZE]);

/* The fields of a manifest, copied out of it: nothing points into the bytes. */
typedef struct usmp_manifest {
  uint16_t signed_len; /* of the part that is signed, bytes */
  uint8_t key_id[USMP_KEY_ID_SIZE];
  char product[USMP_PRODUCT_MAX + 1]; /* printable ASCII, never empty, with a zero at the end */
  char chip[USMP_CHIP_MAX + 1];       /* the same */
  uint32_t version;                   /* USMP_OTA_VERSION */
  uint32_t counter;                   /* security counter: a device takes none that is lower than its own */
  uint32_t least_version;             /* the running one must be as high; 0: any */
  uint32_t size;                      /* of the image, bytes; never 0 */
  uint8_t sha256[USMP_SHA256_SIZE];   /* of the whole image */
  uint32_t not_after;                 /* last day, in days since 2020-01-01; 0: none */
  char name[USMP_IMAGE_NAME_MAX + 1]; /* UTF-8 with a zero at the end; empty: none */
  bool has_next_key;
  uint8_t next_key[USMP_ED25519_KEY_SIZE]; /* trusted too, once the image is confirmed */
  uint8_t revoked_count;
  uint8_t revoked[USMP_REVOKED_MAX][USMP_KEY_ID_SIZE]; /* ascending; not trusted any more, once the image is confirmed */
} usmp_manifest_t;

/* Reads `len` bytes, the signature included. 0, or USMP_OTA_MALFORMED: then nothing in `manifest` may be used. Reads nothing
   outside of `bytes`, whatever they are, and takes time in proportion to `len`. */
USMP_MUST_CHECK int usmp_manifest_parse(usmp_manifest_t *manifest, const uint8_t *bytes, size_t len);

/* What a device keeps about its publishers. It changes when an image is confirmed, and never else (specification, section 13.5). */
typedef struct usmp_ota_trust {
  uint32_t counter;  /* security counter */
  uint8_t key_count; /* 1 to USMP_OTA_KEYS_MAX */
  uint8_t keys[USMP_OTA_KEYS_MAX][USMP_ED25519_KEY_SIZE];
  uint8_t revoked_count;
  uint8_t revoked[USMP_REVOKED_MAX][USMP_KEY_ID_SIZE]; /* the last ones, in the order of their revocation */
} usmp_ota_trust_t;

/* A device to which a manifest is offered. */
typedef struct usmp_ota_target {
  const char *product;
  const char *chip;
  uint32_t version; /* of the firmware that runs */
  const usmp_ota_trust_t *trust;
  uint32_t slot_size; /* bytes that an image may have */
  uint32_t today;     /* days since 2020-01-01; 0: not known, and not_after is not looked at */
  bool busy;          /* a running image waits for its confirmation, or another transfer is under way */
  int (*may_update)(void *ctx, const usmp_manifest_t *manifest); /* usmp_ota_port_t; null: always */
  void *ctx;
} usmp_ota_target_t;

/* The key id of a public key: the first bytes of its SHA-256. 0, or anything else when the crypto library failed. */
USMP_MUST_CHECK int usmp_ota_key_id(const usmp_ota_crypto_t *crypto, const uint8_t key[USMP_ED25519_KEY_SIZE],
                                    uint8_t id[USMP_KEY_ID_SIZE]);

/* Parses `bytes`, and decides about them by the rules of specification 13.4, in their order: the first one that does not hold refuses.
   0, or a usmp_ota_code_t (USMP_OTA_FLASH also when the crypto library failed). Only after 0 may `manifest` be believed. It is the one
   caller of usmp_manifest_parse on a device. About 3 KB of stack with Monocypher. */
USMP_MUST_CHECK int usmp_manifest_judge(usmp_manifest_t *manifest, const uint8_t *bytes, size_t len,
                                        const usmp_ota_crypto_t *crypto, const usmp_ota_target_t *target);

/* `after`: what `trust` becomes when the image of `manifest` is confirmed. The counter rises, revoked keys go, the next key comes. 0;
   USMP_OTA_MALFORMED: the keys cannot change so (the next key is not trustworthy, or is revoked, or there is no room for it);
   USMP_OTA_FLASH: the crypto library failed. `after` and `trust` are not the same. */
USMP_MUST_CHECK int usmp_ota_rotate(usmp_ota_trust_t *after, const usmp_ota_trust_t *trust, const usmp_manifest_t *manifest,
                                    const usmp_ota_crypto_t *crypto);

#ifdef __cplusplus
}
#endif
#endif
