/* SHA-512 against libsodium, at every length around two blocks, and cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "sha512.h"

#define LENGTH_MAX 400 /* more than three blocks */

static uint8_t message[LENGTH_MAX];

static int setup(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof message; i++) message[i] = (uint8_t)(i * 167 + 13);
  return 0;
}

static void assert_hash(size_t len, size_t cut)
{
  usmp_sha512_state_t state;
  uint8_t ours[64];
  uint8_t theirs[crypto_hash_sha512_BYTES];

  usmp_sha512_begin(&state);
  usmp_sha512_update(&state, message, cut);
  usmp_sha512_update(&state, message + cut, len - cut);
  usmp_sha512_finish(&state, ours);
  crypto_hash_sha512(theirs, message, len);
  assert_memory_equal(ours, theirs, sizeof ours);
}

static void test_every_length(void **state)
{
  (void)state;
  for (size_t len = 0; len <= LENGTH_MAX; len++) assert_hash(len, len / 3);
}

static void test_every_cut(void **state)
{
  (void)state;
  for (size_t cut = 0; cut <= 300; cut++) assert_hash(300, cut);
}

/* FIPS 180-4's example "abc", so that the two cannot be wrong together. */
static void test_a_figure_of_the_standard(void **state)
{
  static const uint8_t expected[8] = {0xDD, 0xAF, 0x35, 0xA1, 0x93, 0x61, 0x7A, 0xBA};
  usmp_sha512_state_t hash;
  uint8_t digest[64];

  (void)state;
  usmp_sha512_begin(&hash);
  usmp_sha512_update(&hash, (const uint8_t *)"abc", 3);
  usmp_sha512_finish(&hash, digest);
  assert_memory_equal(digest, expected, sizeof expected);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_length),
    cmocka_unit_test(test_every_cut),
    cmocka_unit_test(test_a_figure_of_the_standard),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
