/* ports/bare/usmp_serial_client.c on this machine: a serial line of two rings, a server of the engine at its other end. */
#include "usmp_serial_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmp/crypto_bearssl.h"

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

/* ---- the serial line ---- */

typedef struct ring {
  uint8_t bytes[8192];
  size_t in;
  size_t out;
} ring_t;

static ring_t to_server, to_client;
static size_t uart_takes = 16; /* bytes at once, as a UART's FIFO */

static size_t put(ring_t *ring, const uint8_t *bytes, size_t len)
{
  for (size_t i = 0; i < len; i++) ring->bytes[ring->in++ % sizeof ring->bytes] = bytes[i];
  return len;
}

static size_t get(ring_t *ring, uint8_t *out, size_t len)
{
  size_t n = 0;
  while (n < len && ring->out < ring->in) out[n++] = ring->bytes[ring->out++ % sizeof ring->bytes];
  return n;
}

static size_t uart_read(uint8_t *out, size_t len)
{
  return get(&to_client, out, len);
}

static size_t uart_write(const uint8_t *bytes, size_t len)
{
  return put(&to_server, bytes, len < uart_takes ? len : uart_takes);
}

/* ---- both ends ---- */

static const uint8_t psk[32] = {1, 2, 3, 4, 5, 6, 7, 8};
static bool random_works = true;

static int a_random(void *context, uint8_t *out, size_t len)
{
  static uint8_t n;
  (void)context;
  memset(out, ++n, len);
  return random_works ? 0 : -1;
}

static int find_psk(void *context, const uint8_t id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)id;
  found->psk = psk;
  found->psk_len = sizeof psk;
  return 0;
}

static uint8_t frame[2][USMP_FRAME_BUFFER_SIZE], message[2][USMP_MESSAGE_BUFFER_SIZE], tx[2][USMP_TX_BUFFER_SIZE(4)];

static usmp_buffers_t buffers_of(int end)
{
  return (usmp_buffers_t){.frame = frame[end],
                          .message = message[end],
                          .tx = tx[end],
                          .frame_len = sizeof frame[end],
                          .message_len = sizeof message[end],
                          .tx_len = sizeof tx[end]};
}

static const usmp_config_t config = {.crypto = &usmp_crypto_bearssl,
                                     .random = a_random,
                                     .find_psk = find_psk,
                                     .psk = psk,
                                     .psk_len = sizeof psk,
                                     .kind = USMP_KIND_SERIAL};
static const usmp_uart_t uart = {uart_read, uart_write};
static usmp_buffers_t line_buffers;
static usmp_serial_client_t serial;
static usmp_conn_t server;
static uint32_t now;

static void start_server(void)
{
  usmp_buffers_t buffers = buffers_of(1);
  CHECK(usmp_conn_init_server(&server, &config, &buffers, now) == 0);
}

/* What the two ends did since the last look. */
static unsigned connected, messages, bytes_received;
static int closed;

static void serve(void)
{
  uint8_t chunk[100];
  const uint8_t *bytes;
  usmp_event_t event;
  size_t len;
  while ((len = get(&to_server, chunk, sizeof chunk)) > 0) {
    for (size_t at = 0; at < len;) {
      int taken = usmp_conn_receive(&server, chunk + at, len - at, now);
      while (usmp_conn_poll_event(&server, &event)) continue;
      if (taken < 0) return;
      at += (size_t)taken;
    }
  }
  while ((len = usmp_conn_poll_transmit(&server, &bytes)) > 0) {
    usmp_conn_transmitted(&server, put(&to_client, bytes, len), now);
  }
}

static void run(void)
{
  usmp_event_t event;
  for (int turn = 0; turn < 400; turn++) {
    while (usmp_serial_client_poll(&serial, now, &event)) {
      if (event.kind == USMP_EVENT_CONNECTED) connected++;
      if (event.kind == USMP_EVENT_CLOSED) closed = event.reason;
      if (event.kind == USMP_EVENT_MESSAGE) {
        messages++;
        bytes_received += (unsigned)event.len;
      }
    }
    serve();
  }
}

/* ---- what must be so ---- */

static void connects_over_a_slow_uart(void)
{
  uart_takes = 1;
  run();
  CHECK(connected == 1 && usmp_conn_established(&server));
  CHECK(usmp_serial_client_drained(&serial));
  uart_takes = 16;
}

static void takes_several_messages_at_once(void)
{
  static const uint8_t text[1000];
  for (int i = 0; i < 3; i++) {
    CHECK(usmp_conn_send(&server, text, i == 1 ? 1000 : 10, now) == 0);
    serve();
  }
  run();
  CHECK(messages == 3 && bytes_received == 1020);
}

static void tells_when_the_uart_is_stuck(void)
{
  uart_takes = 0;
  CHECK(usmp_serial_client_send(&serial, (const uint8_t *)"x", 1, now) == 0);
  run();
  CHECK(!usmp_serial_client_drained(&serial));
  uart_takes = 16;
  run();
  CHECK(usmp_serial_client_drained(&serial));
}

static void comes_back_after_a_goodbye(void)
{
  usmp_conn_close(&server, USMP_ERR_CLOSED, now);
  serve();
  run();
  CHECK(closed == USMP_ERR_CLOSED);
  CHECK(usmp_serial_client_send(&serial, (const uint8_t *)"x", 1, now) == USMP_ERR_NOT_CONNECTED);
  CHECK(usmp_serial_client_wait(&serial, now) == USMP_REOPEN_DELAY_MS);
  start_server();
  now += USMP_REOPEN_DELAY_MS - 1;
  run();
  CHECK(connected == 1);
  now += 1;
  run();
  CHECK(connected == 2 && usmp_conn_established(&server));
}

static void comes_back_after_silence(void)
{
  start_server(); /* it knows nothing of the session */
  now += USMP_IDLE_MS;
  run();
  CHECK(closed == USMP_ERR_IDLE_TIMEOUT);
  now += USMP_REOPEN_DELAY_MS;
  run();
  CHECK(connected == 3);
}

static void says_that_randomness_failed(void)
{
  usmp_conn_close(&server, USMP_ERR_CLOSED, now);
  serve();
  run();
  random_works = false;
  now += USMP_REOPEN_DELAY_MS;
  run();
  CHECK(closed == USMP_ERR_RANDOM_FAILED);
  CHECK(to_server.in == to_server.out); /* and nothing weaker was sent */
  random_works = true;
  start_server();
  now += USMP_REOPEN_DELAY_MS;
  run();
  CHECK(connected == 4);
}

int main(void)
{
  now = UINT32_MAX - 1000; /* the clock wraps in the middle */
  line_buffers = buffers_of(0);
  start_server();
  usmp_serial_client_init(&serial, &config, &line_buffers, &uart, now);
  connects_over_a_slow_uart();
  takes_several_messages_at_once();
  tells_when_the_uart_is_stuck();
  comes_back_after_a_goodbye();
  comes_back_after_silence();
  says_that_randomness_failed();
  printf("line: 6 passed\n");
  return 0;
}
