#include "usmp/keys.h"

#include <string.h>

#include "usmp/errors.h"

int usmp_derive_keys(const usmp_crypto_t *crypto, const uint8_t secret[USMP_KEY_SIZE], const uint8_t peer_public[USMP_KEY_SIZE],
                     const usmp_transcript_t *transcript, usmp_traffic_keys_t *keys)
{
  static const uint8_t label[7] = {'u', 's', 'm', 'p', '-', 'v', '2'};
  uint8_t shared[USMP_KEY_SIZE];
  uint8_t info[sizeof label + 2 * USMP_KEY_SIZE];

  int err = usmp_x25519(crypto, secret, peer_public, shared);
  if (err == USMP_OK && usmp_is_zero(shared, sizeof shared)) err = USMP_ERR_LOW_ORDER_POINT;
  if (err == USMP_OK) {
    memcpy(info, label, sizeof label);
    memcpy(info + sizeof label, transcript->client_public, USMP_KEY_SIZE);
    memcpy(info + sizeof label + USMP_KEY_SIZE, transcript->server_public, USMP_KEY_SIZE);
    err = usmp_hkdf64(crypto, transcript->nonce, sizeof transcript->nonce, shared, sizeof shared, info, sizeof info,
                      (uint8_t *)keys);
  }
  usmp_wipe(shared, sizeof shared);
  if (err != USMP_OK) usmp_wipe(keys, sizeof *keys);
  return err;
}

int usmp_derive_rekey(const usmp_crypto_t *crypto, const uint8_t tx[USMP_KEY_SIZE], const uint8_t rx[USMP_KEY_SIZE],
                      const uint8_t salt[USMP_REKEY_SALT_SIZE], const uint8_t session_id[USMP_SESSION_ID_LEN],
                      uint8_t new_tx[USMP_KEY_SIZE], uint8_t new_rx[USMP_KEY_SIZE])
{
  static const uint8_t label[10] = {'u', 's', 'm', 'p', '-', 'r', 'e', 'k', 'e', 'y'};
  uint8_t keys[2 * USMP_KEY_SIZE];
  uint8_t info[sizeof label + USMP_SESSION_ID_LEN];

  memcpy(keys, tx, USMP_KEY_SIZE);
  memcpy(keys + USMP_KEY_SIZE, rx, USMP_KEY_SIZE);
  memcpy(info, label, sizeof label);
  memcpy(info + sizeof label, session_id, USMP_SESSION_ID_LEN);
  int err = usmp_hkdf64(crypto, salt, USMP_REKEY_SALT_SIZE, keys, sizeof keys, info, sizeof info, keys);
  if (err == USMP_OK) {
    memcpy(new_tx, keys, USMP_KEY_SIZE);
    memcpy(new_rx, keys + USMP_KEY_SIZE, USMP_KEY_SIZE);
  }
  usmp_wipe(keys, sizeof keys);
  return err;
}
