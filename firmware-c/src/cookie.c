#include "usmp/cookie.h"

#include <string.h>

#include "usmp/arq.h"
#include "usmp/errors.h"
#include "usmp/frame.h"
#include "usmp/messages.h"

static int make(const usmp_cookie_issuer_t *issuer, const uint8_t *address, size_t address_len, uint32_t slot,
                uint8_t cookie[USMP_COOKIE_SIZE])
{
  uint8_t text[4 + USMP_COOKIE_MAX_ADDRESS];
  uint8_t mac[USMP_MAC_SIZE];

  if (address_len > USMP_COOKIE_MAX_ADDRESS) return USMP_ERR_INVALID_ARGUMENT;
  usmp_store32(text, slot);
  memcpy(text + 4, address, address_len);
  int err = usmp_hmac_sha256(issuer->crypto, issuer->secret, sizeof issuer->secret, text, 4 + address_len, mac);
  if (err == USMP_OK) memcpy(cookie, mac, USMP_COOKIE_SIZE);
  return err;
}

int usmp_cookie_make(const usmp_cookie_issuer_t *issuer, const uint8_t *address, size_t address_len, uint32_t seconds,
                     uint8_t cookie[USMP_COOKIE_SIZE])
{
  return make(issuer, address, address_len, seconds / USMP_COOKIE_SLOT_SECONDS, cookie);
}

int usmp_cookie_check(const usmp_cookie_issuer_t *issuer, const uint8_t *address, size_t address_len, uint32_t seconds,
                      const uint8_t cookie[USMP_COOKIE_SIZE])
{
  uint32_t slot = seconds / USMP_COOKIE_SLOT_SECONDS;
  uint8_t expected[USMP_COOKIE_SIZE];

  for (uint32_t age = 0; age <= 1 && age <= slot; age++) {
    int err = make(issuer, address, address_len, slot - age, expected);
    if (err != USMP_OK) return err;
    if (usmp_equal(expected, cookie, USMP_COOKIE_SIZE)) return USMP_OK;
  }
  return USMP_ERR_BAD_COOKIE;
}

int usmp_verify_hello_cookie(const usmp_cookie_issuer_t *issuer, const uint8_t *address, size_t address_len, uint32_t seconds,
                             const uint8_t *datagram, size_t len, usmp_hello_retry_t *answer)
{
  usmp_frame_t frame;

  int err = usmp_frame_decode(USMP_WIRE_VERSION, datagram, len, &frame);
  if (err != USMP_OK) return err;
  if (frame.type != USMP_TYPE_HELLO) return USMP_ERR_UNEXPECTED_PACKET;
  if (frame.length == USMP_HELLO_COOKIE_SIZE) {
    err = usmp_cookie_check(issuer, address, address_len, seconds, frame.payload + USMP_HELLO_COOKIE);
    return err == USMP_OK ? 1 : err;
  }
  if (frame.length != USMP_HELLO_SIZE) return USMP_ERR_BAD_PAYLOAD;
  err = usmp_cookie_make(issuer, address, address_len, seconds, answer->retry + USMP_HEADER_SIZE);
  if (err == USMP_OK) err = usmp_frame_encode(USMP_WIRE_VERSION, answer->retry, USMP_TYPE_HELLO_RETRY, 0, USMP_COOKIE_SIZE);
  if (err > 0) err = usmp_utack_build(issuer->crypto, NULL, frame.type, frame.seq, answer->utack);
  return err < 0 ? err : 0;
}
