#include "ota_internal.h"

#include <string.h>

bool usmp_ota_has_key_id(const uint8_t *ids, size_t count, const uint8_t id[USMP_KEY_ID_SIZE])
{
  for (size_t i = 0; i < count; i++) {
    if (memcmp(ids + i * USMP_KEY_ID_SIZE, id, USMP_KEY_ID_SIZE) == 0) return true;
  }
  return false;
}

static bool has_key(const usmp_ota_trust_t *trust, const uint8_t *key)
{
  for (size_t i = 0; i < trust->key_count; i++) {
    if (memcmp(trust->keys[i], key, USMP_ED25519_KEY_SIZE) == 0) return true;
  }
  return false;
}

/* At the end of the list, whose first one goes when it is full. */
static void remember_revoked(usmp_ota_trust_t *trust, const uint8_t *id)
{
  if (usmp_ota_has_key_id(trust->revoked[0], trust->revoked_count, id)) return;
  if (trust->revoked_count == USMP_REVOKED_MAX) {
    memmove(trust->revoked[0], trust->revoked[1], (USMP_REVOKED_MAX - 1) * USMP_KEY_ID_SIZE);
    trust->revoked_count--;
  }
  memcpy(trust->revoked[trust->revoked_count++], id, USMP_KEY_ID_SIZE);
}

/* The keys of `trust` that the manifest does not revoke. 0 or USMP_OTA_FLASH. */
static int keep_keys(usmp_ota_trust_t *after, const usmp_ota_trust_t *trust, const usmp_manifest_t *manifest,
                     const usmp_ota_crypto_t *crypto)
{
  uint8_t id[USMP_KEY_ID_SIZE];

  for (size_t i = 0; i < trust->key_count; i++) {
    if (usmp_ota_key_id(crypto, trust->keys[i], id) != 0) return USMP_OTA_FLASH;
    if (usmp_ota_has_key_id(manifest->revoked[0], manifest->revoked_count, id)) continue;
    memcpy(after->keys[after->key_count++], trust->keys[i], USMP_ED25519_KEY_SIZE);
  }
  return 0;
}

/* 0, USMP_OTA_MALFORMED or USMP_OTA_FLASH. */
static int take_next_key(usmp_ota_trust_t *after, const usmp_ota_trust_t *trust, const usmp_manifest_t *manifest,
                         const usmp_ota_crypto_t *crypto)
{
  uint8_t id[USMP_KEY_ID_SIZE];

  if (usmp_ota_key_id(crypto, manifest->next_key, id) != 0) return USMP_OTA_FLASH;
  bool revoked = usmp_ota_has_key_id(manifest->revoked[0], manifest->revoked_count, id) ||
                 usmp_ota_has_key_id(trust->revoked[0], trust->revoked_count, id);
  if (revoked || !usmp_ed25519_key_is_trustworthy(crypto, manifest->next_key)) return USMP_OTA_MALFORMED;
  if (has_key(after, manifest->next_key)) return 0;
  if (after->key_count == USMP_OTA_KEYS_MAX) return USMP_OTA_MALFORMED;
  memcpy(after->keys[after->key_count++], manifest->next_key, USMP_ED25519_KEY_SIZE);
  return 0;
}

int usmp_ota_rotate(usmp_ota_trust_t *after, const usmp_ota_trust_t *trust, const usmp_manifest_t *manifest,
                    const usmp_ota_crypto_t *crypto)
{
  memset(after, 0, sizeof *after);
  after->counter = manifest->counter > trust->counter ? manifest->counter : trust->counter;
  int code = keep_keys(after, trust, manifest, crypto);
  if (code == 0 && manifest->has_next_key) code = take_next_key(after, trust, manifest, crypto);
  if (code != 0) return code;
  after->revoked_count = trust->revoked_count;
  memcpy(after->revoked, trust->revoked, sizeof after->revoked);
  for (size_t i = 0; i < manifest->revoked_count; i++) remember_revoked(after, manifest->revoked[i]);
  return 0;
}
