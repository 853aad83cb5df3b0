#include "usmp/psk.h"

#include <string.h>

#include "usmp/errors.h"

#define MIN_DISTINCT 8 /* random bytes have as many in any 16, but for one case in 10^9 */
#define MIN_TEXT_SIZE 32

int usmp_psk_check(const uint8_t *psk, size_t psk_len, bool allow_weak)
{
  unsigned distinct = 0;
  bool random = psk_len >= MIN_TEXT_SIZE;

  if (psk_len < USMP_MIN_PSK_SIZE || psk_len > USMP_MAX_PSK_SIZE) return USMP_ERR_WEAK_PSK;
  if (allow_weak) return USMP_OK;
  for (size_t i = 0; i < psk_len; i++) {
    if (!memchr(psk, psk[i], i)) distinct++;
    if (psk[i] < ' ' || psk[i] > '~') random = true;
  }
  return random && distinct >= MIN_DISTINCT ? USMP_OK : USMP_ERR_WEAK_PSK;
}

int usmp_derive_device_psk(const usmp_crypto_t *crypto, const uint8_t *master, size_t master_len,
                           const uint8_t device_id[USMP_DEVICE_ID_LEN], uint8_t psk[USMP_KEY_SIZE])
{
  static const uint8_t label[18] = {'u', 's', 'm', 'p', '-', 'd', 'e', 'v', 'i', 'c', 'e', '-', 'p', 's', 'k', '-', 'v', '1'};
  uint8_t info[sizeof label + USMP_DEVICE_ID_LEN];
  uint8_t out[2 * USMP_KEY_SIZE];

  if (!crypto || !master || !device_id || !psk) return USMP_ERR_INVALID_ARGUMENT;
  if (master_len < USMP_KEY_SIZE || usmp_psk_check(master, master_len, false) != USMP_OK) return USMP_ERR_WEAK_PSK;
  memcpy(info, label, sizeof label);
  memcpy(info + sizeof label, device_id, USMP_DEVICE_ID_LEN);
  int err = usmp_hkdf64(crypto, NULL, 0, master, master_len, info, sizeof info, out);
  if (err == USMP_OK) memcpy(psk, out, USMP_KEY_SIZE); /* the first block of HKDF does not depend on L */
  usmp_wipe(out, sizeof out);
  return err;
}

int usmp_psk_fingerprint(const usmp_crypto_t *crypto, const uint8_t *psk, size_t psk_len,
                         const uint8_t device_id[USMP_DEVICE_ID_LEN], char out[USMP_FINGERPRINT_SIZE])
{
  static const uint8_t label[19] = {'u', 's', 'm', 'p', '-', 'f', 'i', 'n', 'g', 'e',
                                    'r', 'p', 'r', 'i', 'n', 't', '-', 'v', '1'};
  static const char crockford[33] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  uint8_t text[sizeof label + USMP_DEVICE_ID_LEN];
  uint8_t mac[USMP_MAC_SIZE];

  if (!crypto || !psk || !device_id || !out) return USMP_ERR_INVALID_ARGUMENT;
  if (usmp_psk_check(psk, psk_len, true) != USMP_OK) return USMP_ERR_WEAK_PSK;
  memcpy(text, label, sizeof label);
  memcpy(text + sizeof label, device_id, USMP_DEVICE_ID_LEN);
  int err = usmp_hmac_sha256(crypto, psk, psk_len, text, sizeof text, mac);
  if (err != USMP_OK) return err;
  for (unsigned letter = 0; letter < 8; letter++) {
    unsigned bit = 5 * letter;
    unsigned two_bytes = (unsigned)mac[bit / 8] << 8 | mac[bit / 8 + 1];
    out[letter + letter / 4] = crockford[two_bytes >> (11 - bit % 8) & 31];
  }
  out[4] = '-';
  out[USMP_FINGERPRINT_SIZE - 1] = 0;
  usmp_wipe(mac, sizeof mac); /* what is not shown of it would tell more of the key */
  return USMP_OK;
}
