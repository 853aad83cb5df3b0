#include "usmp/messages.h"

#include <string.h>

/* HMAC(PSK, CD AB 02 type || nonce || id || pub_C || pub_S) */
static int transcript_mac(const usmp_crypto_t *crypto, const uint8_t *psk, size_t psk_len, uint32_t type,
                          const usmp_transcript_t *transcript, const uint8_t *id, size_t id_len, uint8_t mac[USMP_MAC_SIZE])
{
  uint8_t text[4 + USMP_CHALLENGE_NONCE_SIZE + USMP_SESSION_ID_LEN + 2 * USMP_KEY_SIZE];
  uint8_t *at = text;

  *at++ = USMP_MAGIC_0;
  *at++ = USMP_MAGIC_1;
  *at++ = USMP_WIRE_VERSION;
  *at++ = (uint8_t)type;
  memcpy(at, transcript->nonce, USMP_CHALLENGE_NONCE_SIZE);
  at += USMP_CHALLENGE_NONCE_SIZE;
  memcpy(at, id, id_len);
  at += id_len;
  memcpy(at, transcript->client_public, USMP_KEY_SIZE);
  at += USMP_KEY_SIZE;
  memcpy(at, transcript->server_public, USMP_KEY_SIZE);
  at += USMP_KEY_SIZE;
  return usmp_hmac_sha256(crypto, psk, psk_len, text, (size_t)(at - text), mac);
}

int usmp_client_mac(const usmp_crypto_t *crypto, const uint8_t *psk, size_t psk_len, const usmp_transcript_t *transcript,
                    const uint8_t device_id[USMP_DEVICE_ID_LEN], uint8_t mac[USMP_MAC_SIZE])
{
  return transcript_mac(crypto, psk, psk_len, USMP_TYPE_HELLO_ACK, transcript, device_id, USMP_DEVICE_ID_LEN, mac);
}

int usmp_server_mac(const usmp_crypto_t *crypto, const uint8_t *psk, size_t psk_len, const usmp_transcript_t *transcript,
                    const uint8_t session_id[USMP_SESSION_ID_LEN], uint8_t mac[USMP_MAC_SIZE])
{
  return transcript_mac(crypto, psk, psk_len, USMP_TYPE_SESSION_OK, transcript, session_id, USMP_SESSION_ID_LEN, mac);
}
