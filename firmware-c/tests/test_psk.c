/* Which pre-shared keys are refused, also for a fingerprint. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Only what is clearly not random is refused, the same as in TypeScript. */
static void weak_keys(void **state)
{
  uint8_t key[64] = {0};
  uint8_t psk[USMP_KEY_SIZE];

  (void)state;
  assert_int_equal(usmp_psk_check(key, 32, false), USMP_ERR_WEAK_PSK);
  assert_int_equal(usmp_psk_check(key, 15, true), USMP_ERR_WEAK_PSK);
  assert_int_equal(usmp_psk_check(key, 16, true), USMP_OK);
  for (uint8_t i = 0; i < 64; i++) key[i] = (uint8_t)(0xF9 + i % 7);
  assert_int_equal(usmp_psk_check(key, 64, false), USMP_ERR_WEAK_PSK); /* 7 values, however long */
  assert_int_equal(usmp_derive_device_psk(pair_crypto(), key, 64, key, psk), USMP_ERR_WEAK_PSK);
  key[63] = 1;
  assert_int_equal(usmp_psk_check(key, 64, false), USMP_OK);
  memcpy(key, "correct horse battery staple, yes!", 34);
  assert_int_equal(usmp_psk_check(key, 31, false), USMP_ERR_WEAK_PSK);
  assert_int_equal(usmp_psk_check(key, 31, true), USMP_OK);
  assert_int_equal(usmp_psk_check(key, 32, false), USMP_OK);
  key[0] = 0x7F;
  assert_int_equal(usmp_psk_check(key, 16, false), USMP_OK);
}

/* What is refused and has no vector; the rest is in vectors/fingerprint.json. */
static void fingerprint_arguments(void **state)
{
  static const uint8_t psk[USMP_MAX_PSK_SIZE + 1] = {0};
  static const uint8_t id[USMP_DEVICE_ID_LEN] = {0};
  char shown[USMP_FINGERPRINT_SIZE];

  (void)state;
  assert_int_equal(usmp_psk_fingerprint(NULL, psk, 32, id, shown), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_psk_fingerprint(pair_crypto(), NULL, 32, id, shown), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_psk_fingerprint(pair_crypto(), psk, 32, id, NULL), USMP_ERR_INVALID_ARGUMENT);
  assert_int_equal(usmp_psk_fingerprint(pair_crypto(), psk, sizeof psk, id, shown), USMP_ERR_WEAK_PSK);
  assert_int_equal(usmp_psk_fingerprint(pair_crypto(), psk, USMP_MAX_PSK_SIZE, id, shown), USMP_OK);
  assert_int_equal(strlen(shown), USMP_FINGERPRINT_SIZE - 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(weak_keys),
    cmocka_unit_test(fingerprint_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
