#include "ota_internal.h"

#include <string.h>

static const uint8_t domain[12] = "usmp-ota-v1"; /* with its zero */

/* 0 and the key, USMP_OTA_UNKNOWN_KEY, or USMP_OTA_FLASH. */
static int find_key(const uint8_t **key, const usmp_ota_trust_t *trust, const uint8_t *id, const usmp_ota_crypto_t *crypto)
{
  uint8_t own[USMP_KEY_ID_SIZE];

  for (size_t i = 0; i < trust->key_count; i++) {
    if (usmp_ota_key_id(crypto, trust->keys[i], own) != 0) return USMP_OTA_FLASH;
    *key = trust->keys[i];
    if (memcmp(own, id, sizeof own) == 0) return 0;
  }
  return USMP_OTA_UNKNOWN_KEY;
}

static bool is_genuine(const usmp_manifest_t *manifest, const uint8_t *bytes, const uint8_t *key,
                       const usmp_ota_crypto_t *crypto)
{
  uint8_t message[sizeof domain + USMP_MANIFEST_SIGNED_MAX];

  memcpy(message, domain, sizeof domain);
  memcpy(message + sizeof domain, bytes, manifest->signed_len);
  return usmp_ed25519_verify(crypto, key, message, sizeof domain + manifest->signed_len, bytes + manifest->signed_len);
}

/* Who says so: 0 or a code. */
static int check_publisher(const usmp_manifest_t *manifest, const uint8_t *bytes, const usmp_ota_crypto_t *crypto,
                           const usmp_ota_trust_t *trust)
{
  const uint8_t *key;
  usmp_ota_trust_t after;

  if (usmp_ota_has_key_id(trust->revoked[0], trust->revoked_count, manifest->key_id)) return USMP_OTA_REVOKED_KEY;
  int code = find_key(&key, trust, manifest->key_id, crypto);
  if (code != 0) return code;
  if (!is_genuine(manifest, bytes, key, crypto)) return USMP_OTA_BAD_SIGNATURE;
  return usmp_ota_rotate(&after, trust, manifest, crypto);
}

/* Whether it is for this device, now: 0 or a code. */
static int check_target(const usmp_manifest_t *manifest, const usmp_ota_target_t *target)
{
  if (strcmp(manifest->product, target->product) != 0) return USMP_OTA_WRONG_PRODUCT;
  if (strcmp(manifest->chip, target->chip) != 0) return USMP_OTA_WRONG_CHIP;
  if (manifest->counter < target->trust->counter) return USMP_OTA_DOWNGRADE;
  if (target->version < manifest->least_version) return USMP_OTA_VERSION_TOO_OLD;
  if (manifest->not_after != 0 && target->today > manifest->not_after) return USMP_OTA_EXPIRED;
  if (manifest->size > target->slot_size) return USMP_OTA_TOO_LARGE;
  if (target->busy) return USMP_OTA_BUSY;
  return target->may_update && target->may_update(target->ctx, manifest) != 0 ? USMP_OTA_NOT_NOW : 0;
}

int usmp_manifest_judge(usmp_manifest_t *manifest, const uint8_t *bytes, size_t len, const usmp_ota_crypto_t *crypto,
                        const usmp_ota_target_t *target)
{
  int code = usmp_manifest_parse(manifest, bytes, len);
  if (code == 0) code = check_publisher(manifest, bytes, crypto, target->trust);
  return code == 0 ? check_target(manifest, target) : code;
}

int usmp_ota_key_id(const usmp_ota_crypto_t *crypto, const uint8_t key[USMP_ED25519_KEY_SIZE], uint8_t id[USMP_KEY_ID_SIZE])
{
  uint8_t digest[USMP_SHA256_SIZE];

  int err = usmp_sha256(crypto, key, USMP_ED25519_KEY_SIZE, digest);
  if (err == 0) memcpy(id, digest, USMP_KEY_ID_SIZE);
  return err;
}
