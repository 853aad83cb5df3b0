/* USMP over a WebSocket (specification, section 6.3): the client's end, over ws:// or wss://. Each frame is one binary message.

     static usmp_ws_t ws;                                one a session; it holds the WebSocket
     const usmp_ws_config_t config = {.url = "wss://hub.example/usmp", .ca = ca};

     int err = usmp_transport_ws_init(&transport, &ws, &config);
     if (err == 0) err = usmp_connect(&ctx, &transport);
     ...                                                 as over TCP: usmp_send, usmp_recv, usmp_reconnect
     usmp_close(&ctx);
     transport.destroy(&transport);                      when the memory of `ws` goes

   A WebSocket is one connection: when it ends, its session ends, and usmp_reconnect makes both again. The library of the WebSocket
   runs in a thread (task) of its own. What it hands over waits in `ws`, and the peer waits when that is full: nothing is dropped.
   TLS protects nothing that USMP does not protect as well. It hides device ids and sizes from the path. */
#ifndef USMP_WS_H
#define USMP_WS_H

#include "usmp.h"
#include "usmp_ws_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes for messages that wait for the session; each takes two more. When less than a message has room, the WebSocket is not read any
   further. A port that reads ahead of that needs room for it (USMP_WS_READ_AHEAD). */
#ifndef USMP_WS_BUFFER
#define USMP_WS_BUFFER USMP_WS_PORT_BUFFER
#endif
#if USMP_WS_BUFFER < USMP_WS_READ_AHEAD + 1024 || USMP_WS_BUFFER > 65535
#error "USMP_WS_BUFFER is USMP_WS_READ_AHEAD + 1024 to 65535"
#endif
#ifndef USMP_WS_CONNECT_MS
#define USMP_WS_CONNECT_MS 5000u
#endif
#define USMP_WS_PATH_SIZE 136
#define USMP_WS_PROBLEM_SIZE 128

/* The texts stay the caller's, and valid as long as the transport may dial. */
typedef struct usmp_ws_config {
  const char *url; /* ws://HOST or wss://HOST, with :PORT or without (80, 443), with /PATH of up to 120 bytes or without */
  /* wss. On a host the paths of PEM files; on ESP-IDF the PEM text itself. ca null: the system's certificates, or ESP-IDF's bundle;
     given: it alone is trusted. certificate and key: both or none. */
  const char *ca;
  const char *certificate;
  const char *key;
  uint32_t connect_ms; /* for DNS, TCP, TLS and the upgrade together; 0: USMP_WS_CONNECT_MS */
} usmp_ws_config_t;

typedef struct usmp_ws_address {
  char host[USMP_HOST_MAX];
  char path[USMP_WS_PATH_SIZE];
  int port;
  bool tls;
} usmp_ws_address_t;

/* Private: what a message has to be (ws_link.c). */
typedef enum usmp_ws_phase {
  USMP_WS_FRAMES,  /* each message is a frame */
  USMP_WS_JOINING, /* JOIN was sent to a relay (specification, section 12.1) */
  USMP_WS_WAITING  /* the relay waits for the other peer */
} usmp_ws_phase_t;

/* Private: messages from the WebSocket on their way to the session, and the frame that is being collected for it. */
typedef struct usmp_ws_link {
  uint8_t ring[USMP_WS_BUFFER]; /* whole messages, each behind its length */
  uint16_t first;               /* of the oldest byte */
  uint16_t used;
  uint16_t left;    /* bytes of the oldest message that were not taken, when it was taken in part */
  uint16_t partial; /* bytes in `message` */
  uint8_t message[USMP_MAX_FRAME_SIZE];
  uint8_t phase; /* usmp_ws_phase_t */
  bool paused;   /* the WebSocket is not read until there is room */
  uint16_t tx_len;
  uint8_t tx[USMP_MAX_FRAME_SIZE];
} usmp_ws_link_t;

/* Static or for as long as the transport is used: USMP_WS_BUFFER, some 1.7 KB, and what the port needs. All of it is private. */
typedef struct usmp_ws {
  usmp_ws_config_t config;
  usmp_ws_address_t address;
  const char *subprotocol; /* null: none is asked for */
  usmp_ws_link_t link;
  usmp_ws_port_t port;
  bool ready;     /* its locks are made */
  bool running;   /* the port has a client */
  bool connected; /* the WebSocket was opened */
  bool ended;     /* and nothing more comes */
  uint16_t close_code;
  char problem[USMP_WS_PROBLEM_SIZE];
} usmp_ws_t;

/* Connects at once, in connect_ms at most; on a host a name server that does not answer may hold it up for longer. The transport's
   `reconnect` dials the same place again; its `destroy` closes and releases what `ws` holds. `ws` is zeroed, or was given to this
   function before. Returns 0, USMP_ERR_INVALID_ARGUMENT (url, or files that cannot be read) or USMP_ERR_UNREACHABLE. */
int usmp_transport_ws_init(usmp_transport_t *transport, usmp_ws_t *ws, const usmp_ws_config_t *config);

/* Why there is no WebSocket, for people, printable ASCII; "" when there is one. Parts of it may be the server's words, which prove
   nothing. Valid until the next dialling. */
const char *usmp_ws_problem(const usmp_ws_t *ws);
/* The status that the server closed with (RFC 6455, section 7.4); 0 when it did not say any. Not authenticated. */
uint16_t usmp_ws_close_code(const usmp_ws_t *ws);

#ifdef __cplusplus
}
#endif
#endif
