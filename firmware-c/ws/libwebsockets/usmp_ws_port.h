/* What a WebSocket needs of a host: libwebsockets with OpenSSL, and POSIX threads. */
#ifndef USMP_WS_PORT_H
#define USMP_WS_PORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor.h"
#include "usmp/constants.h"

/* Frames that may wait for the thread of the WebSocket; those of the longest message fit. */
#define USMP_WS_TX_SLOTS 4
/* What libwebsockets hands over after it was told to pause: a record of TLS has up to 16 KB, and a second one may have been begun. */
#define USMP_WS_READ_AHEAD 33792
#define USMP_WS_PORT_BUFFER 40960

struct lws;
struct lws_context;

typedef struct usmp_ws_port {
  struct lws_context *context;
  struct lws *wsi; /* this and `opened` are the thread's own */
  bool opened;
  pthread_t thread;
  usmp_posix_monitor_t monitor;
  /* Under the lock from here on. */
  struct {
    size_t len;
    uint8_t bytes[USMP_MAX_FRAME_SIZE];
  } queue[USMP_WS_TX_SLOTS];
  unsigned first;
  unsigned count;
  bool closing;    /* what waits leaves, and then the close frame */
  bool abandoned;  /* nothing more leaves */
  bool over;       /* the thread has nothing left to do */
  uint16_t status; /* to close with */
} usmp_ws_port_t;

#endif
