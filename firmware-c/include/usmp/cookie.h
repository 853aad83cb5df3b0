/* The server's cookie (specification, section 7.2): no state is kept for a datagram until its sender has shown that
   it receives at its address.

   Who calls it: a listener for datagrams, with each datagram of an unknown address (usmp_verify_hello_cookie). A cookie is a mac
   over the address and the time, so an issuer remembers nothing. Its secret never leaves it. */
#ifndef USMP_COOKIE_H
#define USMP_COOKIE_H

#include "usmp/crypto.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_COOKIE_SLOT_SECONDS 30u
#define USMP_COOKIE_MAX_ADDRESS 32
#define USMP_HELLO_RETRY_SIZE (USMP_HEADER_SIZE + USMP_COOKIE_SIZE)

typedef struct usmp_cookie_issuer {
  const usmp_crypto_t *crypto;
  uint8_t secret[USMP_KEY_SIZE]; /* random, made at start, kept by this server alone */
} usmp_cookie_issuer_t;

/* The cookie for an address (its bytes and port in any fixed form, USMP_COOKIE_MAX_ADDRESS at most) in the time slot of `seconds`.
   Returns 0, USMP_ERR_INVALID_ARGUMENT or USMP_ERR_CRYPTO_FAILED. */
USMP_MUST_CHECK int usmp_cookie_make(const usmp_cookie_issuer_t *issuer, const uint8_t *address, size_t address_len,
                                     uint32_t seconds, uint8_t cookie[USMP_COOKIE_SIZE]);

/* This slot's cookie or that of the slot before: 0, else USMP_ERR_BAD_COOKIE. */
USMP_MUST_CHECK int usmp_cookie_check(const usmp_cookie_issuer_t *issuer, const uint8_t *address, size_t address_len,
                                      uint32_t seconds, const uint8_t cookie[USMP_COOKIE_SIZE]);

/* The two datagrams that answer a HELLO without a cookie; together they are shorter than it. */
typedef struct usmp_hello_retry {
  uint8_t utack[USMP_UTACK_MAX_SIZE]; /* the first USMP_UTACK_SIZE bytes are the datagram */
  uint8_t retry[USMP_HELLO_RETRY_SIZE];
} usmp_hello_retry_t;

/* Looks at the first datagram of an unknown address. Returns 1: a HELLO with a good cookie, open a connection and hand it over;
   0: a HELLO without cookie, send both datagrams of `answer`; or an error: do not answer it. */
USMP_MUST_CHECK int usmp_verify_hello_cookie(const usmp_cookie_issuer_t *issuer, const uint8_t *address, size_t address_len,
                                             uint32_t seconds, const uint8_t *datagram, size_t len, usmp_hello_retry_t *answer);

#ifdef __cplusplus
}
#endif
#endif
