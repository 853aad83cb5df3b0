#include <string.h>

#include "usmp/callbacks.h"
#include "usmp/handshake.h"

static int draw(const usmp_config_t *me, uint8_t *out, size_t len)
{
  return usmp_callback_result(me->random(me->context, out, len), USMP_ERR_RANDOM_FAILED);
}

static int make_keys_and_nonces(usmp_server_t *s, const usmp_config_t *me)
{
  int err = draw(me, s->secret, sizeof s->secret);
  if (err == USMP_OK) err = draw(me, s->transcript.nonce, sizeof s->transcript.nonce);
  if (err == USMP_OK) err = draw(me, s->session_ok, USMP_SESSION_ID_LEN);
  if (err == USMP_OK) err = usmp_x25519(me->crypto, s->secret, NULL, s->transcript.server_public);
  return err;
}

int usmp_server_hello(usmp_server_t *s, const usmp_config_t *me, const usmp_credential_t *credential, int refusal,
                      const uint8_t *hello, uint8_t challenge[USMP_CHALLENGE_SIZE])
{
  uint8_t no_psk[USMP_KEY_SIZE];
  const uint8_t *psk = credential->psk;
  size_t psk_len = credential->psk_len;
  usmp_server_t next;

  memset(&next, 0, sizeof next);
  next.suite = credential->suite;
  next.wrong_proofs = s->wrong_proofs;
  next.last_wrong = s->last_wrong;
  next.refusal = refusal;
  /* Drawn always, so that a known device and an unknown one take the same time. */
  int err = draw(me, no_psk, sizeof no_psk);
  if (refusal != USMP_OK) {
    psk = no_psk;
    psk_len = sizeof no_psk;
  }
  memcpy(next.transcript.client_public, hello + USMP_HELLO_PUBLIC, USMP_KEY_SIZE);
  if (err == USMP_OK) err = make_keys_and_nonces(&next, me);
  if (err == USMP_OK) err = usmp_client_mac(me->crypto, psk, psk_len, &next.transcript, hello, next.expected_mac);
  if (err == USMP_OK) {
    err = usmp_server_mac(me->crypto, psk, psk_len, &next.transcript, next.session_ok, next.session_ok + USMP_SESSION_OK_MAC);
  }
  if (err == USMP_OK) {
    memcpy(challenge, next.transcript.nonce, USMP_CHALLENGE_NONCE_SIZE);
    memcpy(challenge + USMP_CHALLENGE_PUBLIC, next.transcript.server_public, USMP_KEY_SIZE);
    *s = next;
  }
  usmp_wipe(&next, sizeof next);
  usmp_wipe(no_psk, sizeof no_psk);
  return err;
}

int usmp_server_hello_ack(const usmp_server_t *s, const usmp_crypto_t *crypto, const uint8_t mac[USMP_MAC_SIZE],
                          usmp_traffic_keys_t *keys)
{
  bool equal = usmp_equal(s->expected_mac, mac, USMP_MAC_SIZE);
  if (s->refusal != USMP_OK) return s->refusal; /* even if somebody guessed the random key */
  if (!equal) return USMP_ERR_AUTH_FAILED;
  return usmp_derive_keys(crypto, s->secret, s->transcript.client_public, &s->transcript, keys);
}
