/* What a port of the WebSocket supplies: libwebsockets/ for a host, esp_idf/ for a chip. */
#ifndef USMP_WS_PORT_FUNCTIONS_H
#define USMP_WS_PORT_FUNCTIONS_H

#include "ws_link.h"

/* Longest wait for the server's answer to a close, and for what was to be sent before it. */
#define USMP_WS_CLOSE_MS 1000u

/* Makes the lock and what is waited for, once; usmp_ws_port_release ends them. 0 or USMP_ERR_UNREACHABLE. */
int usmp_ws_port_init(usmp_ws_t *ws);
void usmp_ws_port_release(usmp_ws_t *ws);

/* Starts a client for ws->address with ws->config and ws->subprotocol. It connects once, and calls the three functions below. 0,
   USMP_ERR_INVALID_ARGUMENT or USMP_ERR_UNREACHABLE. */
int usmp_ws_port_open(usmp_ws_t *ws);
/* Sends what waits and the close frame, and ends the client: USMP_WS_CLOSE_MS at most. Called without the lock. */
void usmp_ws_port_close(usmp_ws_t *ws, uint16_t status);
/* Sends one binary message, of up to 492 bytes. 0; USMP_SEND_NO_ROOM; any other number below zero: failed. Called without the lock. */
int usmp_ws_port_send(usmp_ws_t *ws, const uint8_t *message, size_t len);
/* Goes on reading after usmp_ws_received returned USMP_WS_PAUSE. Called without the lock. */
void usmp_ws_port_resume(usmp_ws_t *ws);

void usmp_ws_port_lock(usmp_ws_t *ws);
void usmp_ws_port_unlock(usmp_ws_t *ws);
/* Called with the lock, which it gives away while it waits: until usmp_ws_port_wake, or for wait_ms, or shorter. */
void usmp_ws_port_wait(usmp_ws_t *ws, uint32_t wait_ms);
void usmp_ws_port_wake(usmp_ws_t *ws); /* with the lock */

/* 0 or USMP_ERR_CRYPTO_FAILED. */
int usmp_ws_port_sha256(const uint8_t *data, size_t len, uint8_t out[32]);

/* ---- for the port, called from its thread, without the lock ---- */

#define USMP_WS_GO_ON 0u
#define USMP_WS_PAUSE 1u

void usmp_ws_opened(usmp_ws_t *ws);
/* Returns USMP_WS_GO_ON; USMP_WS_PAUSE: there is no room, and no more than
   USMP_WS_READ_AHEAD bytes may follow; or the status to close the WebSocket with. */
unsigned usmp_ws_received(usmp_ws_t *ws, const usmp_ws_part_t *part);
/* The server closes with this status, and says why; `reason` may be null. The end itself comes later. */
void usmp_ws_closing(usmp_ws_t *ws, uint16_t status, const uint8_t *reason, size_t len);
/* It cannot be opened, or it has ended. What was told first stays. */
void usmp_ws_ended(usmp_ws_t *ws, const char *problem);

#endif
