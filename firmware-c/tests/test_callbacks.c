/* What an application's functions return is not trusted: find_psk, random and each function of the crypto table give every
   value they should not, at each of their calls, on all three kinds of transport. Also run under MemorySanitizer, which
   stops at any use of what they left unwritten. */
#include "pair.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "usmp/cookie.h"

static pair_t pair;

static const uint8_t kinds[] = {USMP_KIND_STREAM, USMP_KIND_DATAGRAM, USMP_KIND_SERIAL};
/* 261 and 0x1102 are ESP_ERR_NOT_FOUND and ESP_ERR_NVS_NOT_FOUND; 256 and INT_MIN become 0 in a byte. */
static const int unexpected[] = {1, 127, 255, 256, 261, 0x1102, -1, -200, INT_MIN, INT_MAX};
static const uint8_t wrong_psk[32] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 10, 11, 12};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* Both sides once more, with what the test has changed in their configurations. */
static int begin(void)
{
  usmp_buffers_t client = {pair.client.frame,        pair.client.message,        pair.client.tx,
                           sizeof pair.client.frame, sizeof pair.client.message, sizeof pair.client.tx};
  usmp_buffers_t server = {pair.server.frame,        pair.server.message,        pair.server.tx,
                           sizeof pair.server.frame, sizeof pair.server.message, sizeof pair.server.tx};

  assert_int_equal(usmp_conn_init_server(&pair.server.conn, &pair.server.config, &server, pair.now), 0);
  return usmp_conn_init_client(&pair.client.conn, &pair.client.config, &client, pair.now);
}

static void expect_nobody_in(void)
{
  assert_int_equal(pair.server.connected + pair.client.connected, 0);
  assert_false(usmp_conn_established(&pair.server.conn));
  assert_false(usmp_conn_established(&pair.client.conn));
}

/* ---- find_psk ---- */

static int find_result;
static bool find_fills;
static size_t find_len;

static int unexpected_find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  if (find_fills) {
    found->psk = pair_psk;
    found->psk_len = find_len;
  }
  return find_result;
}

static void connect_with(const uint8_t *psk)
{
  pair.server.config.find_psk = unexpected_find_psk;
  pair.client.config.psk = psk;
  assert_int_equal(begin(), 0);
  pair_run(&pair, 12000);
}

static void nobody_gets_in_when_find_psk_returns_something_unexpected(void **state)
{
  (void)state;
  find_len = sizeof pair_psk;
  for (unsigned kind = 0; kind < COUNT(kinds); kind++) {
    for (unsigned i = 0; i < COUNT(unexpected); i++) {
      for (unsigned n = 0; n < 4; n++) {
        pair_open(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
        find_result = unexpected[i];
        find_fills = n % 2; /* a key is there, and still it says no */
        connect_with(n / 2 ? pair_psk : wrong_psk);
        expect_nobody_in();
      }
    }
  }
}

static void find_psk_that_finds_lets_the_right_key_in(void **state)
{
  (void)state;
  find_len = sizeof pair_psk;
  find_fills = true;
  find_result = 0;
  for (unsigned kind = 0; kind < COUNT(kinds); kind++) {
    pair_open(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
    connect_with(pair_psk);
    assert_int_equal(pair.server.connected, 1);
    pair_open(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
    connect_with(wrong_psk);
    expect_nobody_in();
  }
}

static void a_key_with_an_impossible_length_lets_nobody_in(void **state)
{
  static const size_t lengths[] = {0, 1, 15, USMP_MAX_PSK_SIZE + 1, SIZE_MAX};

  (void)state;
  find_result = 0;
  for (unsigned kind = 0; kind < COUNT(kinds); kind++) {
    for (unsigned i = 0; i < COUNT(lengths); i++) {
      for (unsigned filled = 0; filled < 2; filled++) {
        pair_open(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
        pair.server.config.allow_weak_psk = true;
        find_fills = filled;
        find_len = lengths[i];
        connect_with(pair_psk);
        expect_nobody_in();
      }
      pair.client.config.psk_len = lengths[i];
      assert_int_equal(begin(), USMP_ERR_WEAK_PSK);
    }
  }
}

/* ---- random ---- */

static int random_result;
static unsigned random_at;

static int unexpected_random(void *context, uint8_t *out, size_t len)
{
  if (random_at > 0 && --random_at == 0) return random_result; /* nothing is written */
  return pair_random(context, out, len);
}

static void a_random_source_that_says_anything_but_0_has_failed(void **state)
{
  (void)state;
  for (unsigned kind = 0; kind < COUNT(kinds); kind++) {
    for (unsigned i = 0; i < COUNT(unexpected); i++) {
      for (unsigned at = 1; at <= 4; at++) {
        pair_open(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
        pair.server.config.random = unexpected_random;
        random_result = unexpected[i];
        random_at = at;
        assert_int_equal(begin(), 0);
        pair_run(&pair, 100);
        expect_nobody_in();
        assert_int_equal(usmp_conn_error(&pair.server.conn), USMP_ERR_RANDOM_FAILED);
      }
      pair_open(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
      pair.client.config.random = unexpected_random;
      random_at = 1;
      assert_int_equal(begin(), USMP_ERR_RANDOM_FAILED);
      random_at = 0;
      assert_int_equal(begin(), 0);
      pair_run(&pair, 1000);
      assert_true(usmp_conn_established(&pair.client.conn));
      random_at = 1;
      assert_int_equal(usmp_conn_rekey(&pair.client.conn, pair.now), USMP_ERR_RANDOM_FAILED);
    }
  }
}

/* ---- the crypto table ---- */

enum { HMAC, X25519, SEAL, OPEN, FUNCTIONS };

static int crypto_function;
static int crypto_result;
static unsigned crypto_at;   /* this call of the function fails; 0: none */
static bool crypto_for_ever; /* ... and those behind it */
static unsigned crypto_failed;

static bool fails_now(int function)
{
  if (function != crypto_function || crypto_at == 0) return false;
  if (crypto_at > 1) {
    crypto_at--;
    return false;
  }
  if (!crypto_for_ever) crypto_at = 0;
  crypto_failed++;
  return true;
}

static int bad_hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t mac[USMP_MAC_SIZE])
{
  return fails_now(HMAC) ? crypto_result : pair_crypto()->hmac_sha256(key, key_len, data, len, mac);
}

static int bad_x25519(const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer, uint8_t out[USMP_KEY_SIZE])
{
  return fails_now(X25519) ? crypto_result : pair_crypto()->x25519(secret, peer, out);
}

static int bad_seal(uint8_t suite, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, uint8_t *text, size_t len)
{
  return fails_now(SEAL) ? crypto_result : pair_crypto()->seal(suite, key, nonce, aad, text, len);
}

/* It even leaves a plaintext that nobody has authenticated. */
static int bad_open(uint8_t suite, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, const uint8_t *text,
                    size_t len, uint8_t *out)
{
  if (!fails_now(OPEN)) return pair_crypto()->open(suite, key, nonce, aad, text, len, out);
  memset(out, 0x3C, len);
  return crypto_result;
}

static const usmp_crypto_t *bad_crypto(void)
{
  static const usmp_crypto_t table = {bad_hmac, bad_x25519, bad_seal, bad_open};
  (void)pair_crypto();
  return &table;
}

static uint8_t said[100];

/* Nothing of what is to be sealed is on the wire. */
static bool no_plaintext(pair_t *p, side_t *to, uint8_t *bytes, size_t *len)
{
  (void)p, (void)to;
  for (size_t i = 0; i + 6 <= *len; i++) assert_memory_not_equal(bytes + i, said, 6);
  return true;
}

/* A handshake, a message each way, a rekey and another message; what comes is what was sent. */
static void converse(side_t *side)
{
  memset(said, 0xA7, sizeof said);
  pair.carry = no_plaintext;
  side->config.crypto = bad_crypto();
  if (begin() != 0) return;
  pair_run(&pair, 8000);
  for (int i = 0; i < 2; i++) {
    int a = usmp_conn_send(&pair.client.conn, said, sizeof said, pair.now);
    int b = usmp_conn_send(&pair.server.conn, said, sizeof said, pair.now);
    assert_true(a <= 0 && b <= 0);
    pair_run(&pair, 3000);
    a = usmp_conn_rekey(&pair.client.conn, pair.now);
    assert_true(a <= 0);
    pair_run(&pair, 3000);
  }
  side_t *sides[2] = {&pair.client, &pair.server};
  for (int i = 0; i < 2; i++) {
    for (size_t at = 0; at < sides[i]->got_len; at += 2 + sizeof said) {
      assert_int_equal(usmp_load16(sides[i]->got + at), sizeof said);
      assert_memory_equal(sides[i]->got + at + 2, said, sizeof said);
    }
  }
}

static void a_crypto_function_that_says_anything_but_0_has_failed(void **state)
{
  enum { MOST_CALLS = 24 };

  (void)state;
  crypto_for_ever = false;
  for (unsigned i = 0; i < COUNT(unexpected); i++) {
    for (int function = 0; function < FUNCTIONS; function++) {
      for (unsigned at = 1; at <= MOST_CALLS; at++) {
        uint8_t kind = kinds[(i + at) % COUNT(kinds)]; /* each value meets each kind */
        pair_open(&pair, kind, USMP_CIPHER_DEFAULT);
        side_t *side = at % 2 ? &pair.server : &pair.client;
        crypto_function = function;
        crypto_result = unexpected[i];
        crypto_at = (at + 1) / 2;
        crypto_failed = 0;
        converse(side);
        crypto_at = 0;
        /* On datagrams a lost acknowledgement is all that a failed HMAC need cost. */
        bool ends = crypto_failed > 0 && (kind != USMP_KIND_DATAGRAM || function != HMAC);
        if (ends) assert_false(usmp_conn_established(&side->conn));
        if (!crypto_failed) assert_int_equal(pair.server.messages + pair.client.messages, 4);
      }
    }
  }
}

static void what_no_function_has_opened_is_no_message(void **state)
{
  (void)state;
  crypto_for_ever = true;
  crypto_function = OPEN;
  for (unsigned kind = 0; kind < COUNT(kinds); kind++) {
    for (unsigned i = 0; i < COUNT(unexpected); i++) {
      pair_open(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
      crypto_result = unexpected[i];
      crypto_at = 1;
      converse(&pair.server);
      assert_int_equal(pair.server.messages, 0);
      /* ... and nothing of it is left where messages stand */
      assert_true(usmp_is_zero(pair.server.message, sizeof pair.server.message));
    }
  }
  crypto_at = 0;
}

static void a_cookie_that_could_not_be_checked_is_not_good(void **state)
{
  usmp_cookie_issuer_t issuer = {bad_crypto(), {1, 2, 3}};
  usmp_hello_retry_t answer;
  uint8_t address[6] = {127, 0, 0, 1, 0x23, 0x28};
  uint8_t hello[USMP_HEADER_SIZE + USMP_HELLO_COOKIE_SIZE] = {0};

  (void)state;
  crypto_function = HMAC;
  crypto_for_ever = true;
  for (unsigned i = 0; i < COUNT(unexpected); i++) {
    crypto_result = unexpected[i];
    crypto_at = 1;
    for (unsigned cookie = 0; cookie < 2; cookie++) {
      int len = usmp_frame_encode(USMP_WIRE_VERSION, hello, USMP_TYPE_HELLO, cookie,
                                  cookie ? USMP_HELLO_COOKIE_SIZE : USMP_HELLO_SIZE);
      assert_int_equal(usmp_verify_hello_cookie(&issuer, address, 6, 59, hello, (size_t)len, &answer), USMP_ERR_CRYPTO_FAILED);
    }
  }
  crypto_at = 0;
}

/* ---- reasons and errors that an application names ---- */

static void an_end_has_a_reason_of_the_list(void **state)
{
  (void)state;
  for (unsigned kind = 0; kind < COUNT(kinds); kind++) {
    for (unsigned i = 0; i < COUNT(unexpected); i++) {
      if (unexpected[i] == -1) continue; /* is in the list */
      for (unsigned how = 0; how < 2; how++) {
        pair_connect(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
        if (how) usmp_conn_close(&pair.client.conn, unexpected[i], pair.now);
        else usmp_conn_transport_ended(&pair.client.conn, unexpected[i]);
        pair_run(&pair, 1000);
        assert_int_equal(usmp_conn_error(&pair.client.conn), how ? USMP_ERR_ABORTED : USMP_ERR_TRANSPORT_FAILED);
        assert_int_equal(pair.client.reason, usmp_conn_error(&pair.client.conn));
      }
    }
    pair_connect(&pair, kinds[kind], USMP_CIPHER_DEFAULT);
    usmp_conn_close(&pair.client.conn, 0, pair.now);
    pair_run(&pair, 1000);
    assert_int_equal(usmp_conn_error(&pair.client.conn), USMP_ERR_ABORTED);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(nobody_gets_in_when_find_psk_returns_something_unexpected),
    cmocka_unit_test(find_psk_that_finds_lets_the_right_key_in),
    cmocka_unit_test(a_key_with_an_impossible_length_lets_nobody_in),
    cmocka_unit_test(a_random_source_that_says_anything_but_0_has_failed),
    cmocka_unit_test(a_crypto_function_that_says_anything_but_0_has_failed),
    cmocka_unit_test(what_no_function_has_opened_is_no_message),
    cmocka_unit_test(a_cookie_that_could_not_be_checked_is_not_good),
    cmocka_unit_test(an_end_has_a_reason_of_the_list),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
