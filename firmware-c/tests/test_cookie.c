/* The cookie of a server, and its look at a first datagram. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "usmp/cookie.h"

static void cookies(void **state)
{
  usmp_cookie_issuer_t issuer = {pair_crypto(), {1, 2, 3}};
  usmp_hello_retry_t answer;
  uint8_t address[6] = {127, 0, 0, 1, 0x23, 0x28};
  uint8_t hello[USMP_HEADER_SIZE + USMP_HELLO_COOKIE_SIZE + 1] = {0};
  usmp_frame_t frame;

  (void)state;
  int len = usmp_frame_encode(USMP_WIRE_VERSION, hello, USMP_TYPE_HELLO, 0, USMP_HELLO_SIZE);
  assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 6, 59, hello, (size_t)len, &answer), 0);
  assert_int_equal(usmp_frame_decode(USMP_WIRE_VERSION, answer.retry, sizeof answer.retry, &frame), 0);
  assert_int_equal(frame.type, USMP_TYPE_HELLO_RETRY);
  memcpy(hello + USMP_HEADER_SIZE + USMP_HELLO_COOKIE, frame.payload, USMP_COOKIE_SIZE);
  len = usmp_frame_encode(USMP_WIRE_VERSION, hello, USMP_TYPE_HELLO, 1, USMP_HELLO_COOKIE_SIZE);
  assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 6, 59, hello, (size_t)len, &answer), 1);
  assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 6, 89, hello, (size_t)len, &answer), 1); /* the slot before */
  assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 6, 90, hello, (size_t)len, &answer), USMP_ERR_BAD_COOKIE);
  address[5]++;
  assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 6, 59, hello, (size_t)len, &answer), USMP_ERR_BAD_COOKIE);
  assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 33, 59, hello, (size_t)len, &answer), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 6, 59, hello, (size_t)len - 1, &answer), USMP_ERR_INCOMPLETE);
  len = usmp_frame_encode(USMP_WIRE_VERSION, hello, USMP_TYPE_HELLO, 1, USMP_HELLO_SIZE + 1);
  assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 6, 59, hello, (size_t)len, &answer), USMP_ERR_BAD_PAYLOAD);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(cookies),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
