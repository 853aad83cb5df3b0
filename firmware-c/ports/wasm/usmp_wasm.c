/* The engine as a WebAssembly module: one connection for each instance. Bytes cross over in `exchange`. The host
   brings randomness; time is an argument as ever. */
#include <string.h>

#include "usmp/connection.h"
#include "usmp/crypto_bearssl.h"

#define EXPORT(name) __attribute__((export_name(#name)))

__attribute__((import_module("usmp"), import_name("random"))) void host_random(uint8_t *out, size_t len);

static uint8_t exchange[4096];
static uint8_t psk[USMP_KEY_SIZE];
static uint8_t frame_buffer[USMP_FRAME_BUFFER_SIZE];
static uint8_t message_buffer[USMP_MESSAGE_BUFFER_SIZE];
static uint8_t tx_buffer[USMP_TX_BUFFER_SIZE(8)];
static usmp_config_t config;
static usmp_conn_t conn;
static usmp_event_t event;

_Static_assert(sizeof exchange >= sizeof tx_buffer, "all that waits to leave fits");

static int take_random(void *context, uint8_t *out, size_t len)
{
  (void)context;
  host_random(out, len);
  return 0;
}

static int find_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  (void)context, (void)device_id;
  found->psk = psk;
  found->psk_len = sizeof psk;
  return 0;
}

/* Where the other functions take bytes from and leave them. */
uint8_t *exchange_address(void);
EXPORT(exchange_address) uint8_t *exchange_address(void)
{
  return exchange;
}

/* Enumerations cross over by name: the host knows no number of theirs. */
static const char *const kinds[] = {
  [USMP_KIND_STREAM] = "stream", [USMP_KIND_DATAGRAM] = "datagram", [USMP_KIND_SERIAL] = "serial"};
static const char *const event_kinds[] = {[USMP_EVENT_NONE] = "none",
                                          [USMP_EVENT_CONNECTED] = "connected",
                                          [USMP_EVENT_PONG] = "pong",
                                          [USMP_EVENT_MESSAGE] = "message",
                                          [USMP_EVENT_CLOSED] = "closed"};

static size_t put_text(const char *text)
{
  size_t len = strlen(text);
  memcpy(exchange, text, len);
  return len;
}

/* The number of the kind whose name is in the exchange, for `start`; -1: there is none of that name. */
int find_kind(size_t len);
EXPORT(find_kind) int find_kind(size_t len)
{
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strlen(kinds[i]) == len && memcmp(kinds[i], exchange, len) == 0) return (int)i;
  }
  return -1;
}

/* Takes PSK (32 bytes) and device id (6 bytes) from the exchange; a server lets in any device with that PSK. */
int start(int is_client, int kind, int suite, uint32_t now);
EXPORT(start) int start(int is_client, int kind, int suite, uint32_t now)
{
  usmp_buffers_t buffers = {.frame = frame_buffer,
                            .message = message_buffer,
                            .tx = tx_buffer,
                            .frame_len = sizeof frame_buffer,
                            .message_len = sizeof message_buffer,
                            .tx_len = sizeof tx_buffer};
  memcpy(psk, exchange, sizeof psk);
  config = (usmp_config_t){.crypto = &usmp_crypto_bearssl,
                           .random = take_random,
                           .find_psk = find_psk,
                           .psk = psk,
                           .psk_len = sizeof psk,
                           .kind = (uint8_t)kind,
                           .suite = (uint8_t)suite};
  memcpy(config.device_id, exchange + sizeof psk, sizeof config.device_id);
  return is_client ? usmp_conn_init_client(&conn, &config, &buffers, now)
                   : usmp_conn_init_server(&conn, &config, &buffers, now);
}

int receive(size_t len, uint32_t now);
EXPORT(receive) int receive(size_t len, uint32_t now)
{
  return usmp_conn_receive(&conn, exchange, len, now);
}

int send_message(size_t len, uint32_t now);
EXPORT(send) int send_message(size_t len, uint32_t now)
{
  return usmp_conn_send(&conn, exchange, len, now);
}

int ping(uint32_t now);
EXPORT(ping) int ping(uint32_t now)
{
  return usmp_conn_ping(&conn, now);
}

int rekey(uint32_t now);
EXPORT(rekey) int rekey(uint32_t now)
{
  return usmp_conn_rekey(&conn, now);
}

void end(uint32_t now);
EXPORT(close) void end(uint32_t now)
{
  usmp_conn_close(&conn, USMP_ERR_CLOSED, now);
}

/* Length of what must leave now: a chunk of the stream, or one datagram. */
size_t transmit(uint32_t now);
EXPORT(transmit) size_t transmit(uint32_t now)
{
  const uint8_t *bytes;
  size_t len = usmp_conn_poll_transmit(&conn, &bytes);
  if (len > 0) memcpy(exchange, bytes, len);
  if (len > 0) usmp_conn_transmitted(&conn, len, now);
  return len;
}

void transport_ended(int broken);
EXPORT(transport_ended) void transport_ended(int broken)
{
  usmp_conn_transport_ended(&conn, broken ? USMP_ERR_TRANSPORT_FAILED : 0);
}

uint32_t timeout(uint32_t now);
EXPORT(timeout) uint32_t timeout(uint32_t now)
{
  return usmp_conn_poll_timeout(&conn, now);
}

void handle_timeout(uint32_t now);
EXPORT(handle_timeout) void handle_timeout(uint32_t now)
{
  usmp_conn_handle_timeout(&conn, now);
}

/* Fetches the next event. The length of its kind's name, which is left in the exchange; 0: there is none. */
size_t next_event(void);
EXPORT(next_event) size_t next_event(void)
{
  return usmp_conn_poll_event(&conn, &event) ? put_text(event_kinds[event.kind]) : 0;
}

/* Of a "message"; it is left in the exchange, and its length returned. */
size_t event_message(void);
EXPORT(event_message) size_t event_message(void)
{
  memcpy(exchange, event.data, event.len);
  return event.len;
}

/* Of a "closed"; the name of the error is left in the exchange, and its length returned. */
size_t event_reason(void);
EXPORT(event_reason) size_t event_reason(void)
{
  return put_text(usmp_err_name(event.reason));
}
