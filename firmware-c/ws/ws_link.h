/* What comes over a WebSocket and what leaves, judged without an operating system: addresses, the queue of messages, and where a frame
   ends. The caller locks what comes; what leaves is the sending thread's alone. */
#ifndef USMP_WS_LINK_H
#define USMP_WS_LINK_H

#include "usmp_ws.h"

/* Statuses of RFC 6455, section 7.4.1, as specification section 6.3 uses them. */
#define USMP_WS_CLOSE_NORMAL 1000u
#define USMP_WS_CLOSE_PROTOCOL_ERROR 1002u
#define USMP_WS_CLOSE_TOO_LONG 1009u

/* A part of a message. */
typedef struct usmp_ws_part {
  const uint8_t *bytes;
  size_t len;
  bool first;
  bool last;
  bool binary; /* of the first part */
} usmp_ws_part_t;

/* "wss://HOST:PORT/PATH". 0 or USMP_ERR_INVALID_ARGUMENT. */
int usmp_ws_parse_url(const char *url, usmp_ws_address_t *out);

/* For a new WebSocket, which begins in this phase. */
void usmp_ws_link_reset(usmp_ws_link_t *link, usmp_ws_phase_t phase);

/* Returns 0; or why the WebSocket must be closed: USMP_ERR_BAD_MAGIC (text), USMP_ERR_INCOMPLETE and USMP_ERR_TRAILING_BYTES (not one
   frame), USMP_ERR_UNEXPECTED_PACKET (nothing that a relay says), USMP_ERR_QUEUE_FULL (it was read although there is no room). */
int usmp_ws_link_receive(usmp_ws_link_t *link, const usmp_ws_part_t *part);
/* True when one message more has room, and all that the port may read after it was told to stop. */
bool usmp_ws_link_has_room(const usmp_ws_link_t *link);
/* Bytes of the oldest message, in parts if max_len is less; 0: there is none. */
size_t usmp_ws_link_take(usmp_ws_link_t *link, uint8_t *out, size_t max_len);

/* Takes bytes of the frame that is being collected, and none behind it. Returns how many. */
size_t usmp_ws_link_collect(usmp_ws_link_t *link, const uint8_t *data, size_t len);
/* True when link->tx is a whole frame. */
bool usmp_ws_link_is_whole(const usmp_ws_link_t *link);

#endif
