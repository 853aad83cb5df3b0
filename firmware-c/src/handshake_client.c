#include <string.h>

#include "usmp/callbacks.h"
#include "usmp/handshake.h"

/* nonce and server_public stand in the transcript as they came in the CHALLENGE. */
static uint8_t *challenge_of(usmp_client_t *c)
{
  return c->transcript.nonce;
}

int usmp_client_start(usmp_client_t *c, const usmp_config_t *me)
{
  memset(c, 0, sizeof *c);
  int err = usmp_callback_result(me->random(me->context, c->secret, sizeof c->secret), USMP_ERR_RANDOM_FAILED);
  if (err == USMP_OK) err = usmp_x25519(me->crypto, c->secret, NULL, c->transcript.client_public);
  return err;
}

int usmp_client_retry(usmp_client_t *c, const uint8_t cookie[USMP_COOKIE_SIZE])
{
  if (c->retried) return memcmp(c->cookie, cookie, USMP_COOKIE_SIZE) ? USMP_ERR_UNEXPECTED_PACKET : 1;
  memcpy(c->cookie, cookie, USMP_COOKIE_SIZE);
  c->retried = true;
  return 0;
}

size_t usmp_client_hello(const usmp_client_t *c, const usmp_config_t *me, uint8_t *hello)
{
  memcpy(hello, me->device_id, USMP_DEVICE_ID_LEN);
  memcpy(hello + USMP_HELLO_PUBLIC, c->transcript.client_public, USMP_KEY_SIZE);
  if (!c->retried) return USMP_HELLO_SIZE;
  memcpy(hello + USMP_HELLO_COOKIE, c->cookie, USMP_COOKIE_SIZE);
  return USMP_HELLO_COOKIE_SIZE;
}

static int derive(const usmp_client_t *c, const usmp_config_t *me, usmp_traffic_keys_t *keys)
{
  return usmp_derive_keys(me->crypto, c->secret, c->transcript.server_public, &c->transcript, keys);
}

void usmp_client_swap(usmp_client_t *c)
{
  uint8_t held[USMP_CHALLENGE_SIZE];

  memcpy(held, c->u.other, sizeof held);
  memcpy(c->u.other, challenge_of(c), sizeof held);
  memcpy(challenge_of(c), held, sizeof held);
}

int usmp_client_challenge(usmp_client_t *c, const usmp_config_t *me, const uint8_t payload[USMP_CHALLENGE_SIZE])
{
  usmp_client_t next = *c;

  if (c->challenge_count > 0 && memcmp(challenge_of(c), payload, USMP_CHALLENGE_SIZE) == 0) return 1;
  if (c->challenge_count > 1 && memcmp(c->u.other, payload, USMP_CHALLENGE_SIZE) == 0) return 1;
  memcpy(challenge_of(&next), payload, USMP_CHALLENGE_SIZE);
  int err = derive(&next, me, &next.u.keys);
  if (err == USMP_OK && c->challenge_count > 0) memcpy(next.u.other, challenge_of(c), USMP_CHALLENGE_SIZE);
  next.challenge_count = c->challenge_count > 0 ? 2 : 1;
  if (err == USMP_OK) *c = next;
  usmp_wipe(&next, sizeof next);
  return err;
}

int usmp_client_answer(const usmp_client_t *c, const usmp_config_t *me, uint8_t mac[USMP_MAC_SIZE])
{
  return usmp_client_mac(me->crypto, me->psk, me->psk_len, &c->transcript, me->device_id, mac);
}

int usmp_client_session_ok(usmp_client_t *c, const usmp_config_t *me, const uint8_t payload[USMP_SESSION_OK_SIZE],
                           usmp_traffic_keys_t *keys)
{
  uint8_t expected[USMP_MAC_SIZE];
  int err = USMP_ERR_AUTH_FAILED;

  for (uint8_t i = 0; i < c->challenge_count && err == USMP_ERR_AUTH_FAILED; i++) {
    if (i > 0) usmp_client_swap(c);
    err = usmp_server_mac(me->crypto, me->psk, me->psk_len, &c->transcript, payload, expected);
    if (err == USMP_OK && !usmp_equal(expected, payload + USMP_SESSION_OK_MAC, sizeof expected)) err = USMP_ERR_AUTH_FAILED;
  }
  usmp_wipe(expected, sizeof expected);
  if (err != USMP_OK) return err;
  if (c->challenge_count > 1) return derive(c, me, keys);
  *keys = c->u.keys;
  return USMP_OK;
}
