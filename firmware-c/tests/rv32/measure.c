/* Instructions and stack of the core on rv32imc: the two ends of one connection, in memory, on QEMU under -icount.
   Built with BearSSL, with mbedTLS behind PSA, and with crypto that does nothing (MEASURE_CORE), which leaves what the core
   itself takes. */
#include <string.h>

#include "board.h"
#include "measured.h"
#include "usmp/connection.h"
#ifndef MEASURE_CORE
#include "backend.h"
#endif
#ifdef USMP_TEST_psa
#include "psa_board.h"
#endif

typedef struct meter {
  uint64_t instructions; /* of all calls */
  size_t stack;          /* of the deepest */
} meter_t;

typedef struct side {
  meter_t meter;
  usmp_conn_t conn;
  usmp_config_t config;
  uint8_t frame[USMP_FRAME_BUFFER_SIZE];
  uint8_t message[USMP_MESSAGE_BUFFER_SIZE];
  uint8_t tx[USMP_TX_BUFFER_SIZE(4)];
} side_t;

static side_t client, server;
static const uint8_t message[USMP_MAX_DATA_LEN];

/* ---- crypto that does nothing ---- */

#ifdef MEASURE_CORE
static int no_hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t mac[USMP_MAC_SIZE])
{
  (void)key, (void)key_len, (void)data, (void)len;
  memset(mac, 1, USMP_MAC_SIZE);
  return 0;
}

static int no_x25519(const uint8_t secret[USMP_KEY_SIZE], const uint8_t *peer, uint8_t out[USMP_KEY_SIZE])
{
  (void)secret, (void)peer;
  memset(out, 1, USMP_KEY_SIZE);
  return 0;
}

static int no_seal(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                   const uint8_t aad[USMP_AAD_SIZE], uint8_t *text, size_t len)
{
  (void)suite, (void)key, (void)nonce, (void)aad, (void)text, (void)len;
  return 0;
}

static int no_open(uint8_t suite, const uint8_t key[USMP_KEY_SIZE], const uint8_t nonce[USMP_NONCE_SIZE],
                   const uint8_t aad[USMP_AAD_SIZE], const uint8_t *text, size_t len, uint8_t *out)
{
  (void)suite, (void)key, (void)nonce, (void)aad;
  memcpy(out, text, len);
  return 0;
}

static const usmp_crypto_t no_crypto = {no_hmac, no_x25519, no_seal, no_open};
#define TEST_CRYPTO (&no_crypto)
#define TEST_CRYPTO_INIT() true
#endif

/* ---- printing ---- */

static void print_number(uint64_t number)
{
  char digits[21];
  size_t at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  board_print(digits + at);
}

static void fail(const char *why)
{
  board_print(why);
  board_print("\n");
  board_power_off(1);
}

/* ---- measuring ---- */

extern uint32_t __stack_top[];
static uint64_t started;

/* The stack counts from the frame of the function this stands in. */
#define START() (board_stack_paint(), started = board_instructions())
#define STOP(meter) stop(meter, (size_t)((uint8_t *)__stack_top - (uint8_t *)__builtin_frame_address(0)))

static void stop(meter_t *meter, size_t outer)
{
  meter->instructions += board_instructions() - started;
  size_t used = board_stack_size() - board_stack_free() - outer;
  if (used > meter->stack) meter->stack = used;
}

/* One line: what, instructions, bytes of stack. */
static void report(const char *what, meter_t *meter)
{
  board_print(what);
  board_print(" ");
  print_number(meter->instructions);
  board_print(" ");
  print_number(meter->stack);
  board_print("\n");
  *meter = (meter_t){0};
}

/* ---- the connection ---- */

__attribute__((noinline)) static void open_side(side_t *side, uint8_t suite)
{
  usmp_buffers_t buffers = {side->frame, side->message, side->tx, sizeof side->frame, sizeof side->message, sizeof side->tx};
  side->config = measured_config(TEST_CRYPTO, suite);
  START();
  int err = side == &client ? usmp_conn_init_client(&side->conn, &side->config, &buffers, 0)
                            : usmp_conn_init_server(&side->conn, &side->config, &buffers, 0);
  STOP(&side->meter);
  if (err < 0) fail("init failed");
}

/* What one side wants to send is taken by the other. Returns whether there was anything. */
__attribute__((noinline)) static bool carry(side_t *from, side_t *to)
{
  static uint8_t line[4 * USMP_MAX_FRAME_SIZE];
  const uint8_t *bytes;
  usmp_event_t event;
  size_t len = usmp_conn_poll_transmit(&from->conn, &bytes);

  if (len == 0) return false;
  memcpy(line, bytes, len);
  usmp_conn_transmitted(&from->conn, len, 0);
  START();
  int taken = usmp_conn_receive(&to->conn, line, len, 0);
  STOP(&to->meter);
  if (taken != (int)len) fail("not taken");
  while (usmp_conn_poll_event(&to->conn, &event)) continue;
  return true;
}

static void handshake(uint8_t suite)
{
  open_side(&server, suite);
  open_side(&client, suite);
  while (carry(&client, &server) && carry(&server, &client)) continue;
  if (!usmp_conn_established(&client.conn) || !usmp_conn_established(&server.conn)) fail("no session");
}

__attribute__((noinline)) static void send_message(size_t len)
{
  START();
  int err = usmp_conn_send(&client.conn, message, len, 0);
  STOP(&client.meter);
  if (err < 0 || !carry(&client, &server)) fail("not sent");
}

static void measure_suite(uint8_t suite, const char *seal_64, const char *open_64, const char *seal_452, const char *open_452)
{
  handshake(suite);
  report("handshake-client", &client.meter);
  report("handshake-server", &server.meter);
  send_message(64);
  report(seal_64, &client.meter);
  report(open_64, &server.meter);
  send_message(452);
  report(seal_452, &client.meter);
  report(open_452, &server.meter);
}

int main(void)
{
  board_init();
#ifdef USMP_TEST_psa
  psa_board_init();
#endif
  if (!TEST_CRYPTO_INIT()) fail("no crypto");
#if USMP_WITH_AES_GCM
  measure_suite(USMP_CIPHER_AES256_GCM, "aes-seal-64", "aes-open-64", "aes-seal-452", "aes-open-452");
#endif
#if USMP_WITH_CHACHA20_POLY1305
  measure_suite(USMP_CIPHER_CHACHA20_POLY1305, "chacha-seal-64", "chacha-open-64", "chacha-seal-452", "chacha-open-452");
#endif
  board_power_off(0);
}
