/* A client on a serial line, for programs without an operating system: one session after another over a
   UART. It is the driver that usmp/connection.h asks for, in the form of a function that the main loop calls.

   Calls in this order: usmp_serial_client_init once, then usmp_serial_client_poll in a loop, with usmp_serial_client_send as messages come
   up. It owns the connection and the bytes between it and the UART; all calls come from one context, no interrupt. */
#ifndef USMP_SERIAL_CLIENT_H
#define USMP_SERIAL_CLIENT_H

#include "usmp/connection.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a board gives. Neither function waits. */
typedef struct usmp_uart {
  size_t (*read)(uint8_t *out, size_t len);          /* bytes that have come; 0: none */
  size_t (*write)(const uint8_t *bytes, size_t len); /* how many were taken; 0: no room now */
} usmp_uart_t;

/* Between the end of a session and the next HELLO. */
#define USMP_REOPEN_DELAY_MS 500u
/* Bytes taken from the UART at once. */
#define USMP_SERIAL_CHUNK 64

typedef struct usmp_serial_client {
  const usmp_config_t *config;
  const usmp_buffers_t *buffers;
  const usmp_uart_t *uart;
  usmp_conn_t conn;
  uint32_t ended_at;
  bool down; /* there is no connection; the next one is made after the pause */
  uint8_t chunk_at;
  uint8_t chunk_len;
  uint8_t chunk[USMP_SERIAL_CHUNK];
} usmp_serial_client_t;

/* The three must stay valid as long as the client is used. config->kind must be USMP_KIND_SERIAL. */
void usmp_serial_client_init(usmp_serial_client_t *serial, const usmp_config_t *config, const usmp_buffers_t *buffers,
                             const usmp_uart_t *uart, uint32_t now);

/* Moves bytes both ways, keeps the times, connects and reconnects. True when there is an event: handle
   it, then call again. False: nothing more to do before a byte comes, the UART has room, or usmp_serial_client_wait
   is over. A connection that cannot even begin (random source, PSK) is an event too: USMP_EVENT_CLOSED. */
bool usmp_serial_client_poll(usmp_serial_client_t *serial, uint32_t now, usmp_event_t *event);

/* Milliseconds the processor may sleep if no byte comes. */
uint32_t usmp_serial_client_wait(const usmp_serial_client_t *serial, uint32_t now);

/* As usmp_conn_send; USMP_ERR_NOT_CONNECTED while there is no session. */
USMP_MUST_CHECK int usmp_serial_client_send(usmp_serial_client_t *serial, const uint8_t *message, size_t len, uint32_t now);

/* True when no packet is half sent: text for a person may be written to the line now (the peer drops it). */
bool usmp_serial_client_drained(const usmp_serial_client_t *serial);

#ifdef __cplusplus
}
#endif
#endif
