/* What carries the bytes: five functions. A stream is the default, so that a transport written for the
   published component (all fields zero but its functions) is one. What each may return stands at the function, and for all
   callbacks in usmp/callbacks.h. A session calls send from one thread at a time, and recv from one; both at once may happen.

   usmp_connect takes a transport over: the session works on its own copy, ctx.transport, and closes that one. The
   caller's struct then closes nothing any more; only its `available` goes on to work, and asks the session. */
#ifndef USMP_TRANSPORT_H
#define USMP_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "usmp/connection.h"
#include "usmp/lockout.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_HOST_MAX 254 /* the longest host name of DNS, and its zero */

/* Of a transport's `send`. No error code and no errno of any system, so that no transport for the published component returns
   it by chance; below zero, so that a library that does not know it takes it for a failure. */
#define USMP_SEND_NO_ROOM (-0x524F4F4D)

struct usmp;

typedef struct usmp_transport_s {
  /* Zero or `len`: all was taken. Less than that: so many bytes were, and it is called again with the rest (streams and
     serial lines; a datagram goes out whole). USMP_SEND_NO_ROOM: nothing was taken, and the session calls again later; when the
     transport takes nothing for USMP_IDLE_MS, the session ends with TRANSPORT_FAILED. Any other number below zero: failed
     (a datagram: lost, and repeated in time). It should not wait: while it does, neither its caller's watchdog is fed nor
     does usmp_recv or usmp_close return in time. Transports for the published component may, as they always did; other
     threads go on receiving meanwhile. */
  int (*send)(struct usmp_transport_s *t, const uint8_t *data, size_t len);
  /* Bytes of the stream, or one datagram. Waits up to wait_ms, or as long as it likes. Zero: nothing yet.
     Less than zero: ended or failed. Transports for the published component also return -1 when their own time was
     up: -1 counts as "nothing yet" when errno says so (EAGAIN, EWOULDBLOCK, EINTR; with USMP_THREADS only), or when
     errno was not set and `available` says 0. Other values below zero always mean the end. May be called while another
     thread is in send. */
  int (*recv)(struct usmp_transport_s *t, uint8_t *buf, size_t max_len);
  void (*close)(struct usmp_transport_s *t);
  int (*reconnect)(struct usmp_transport_s *t); /* 0, or less than zero; null: cannot */
  /* More than zero: recv would not wait; null: not known. The session's (ctx.transport.available) also counts what
     has been read already and waits in the session. */
  int (*available)(struct usmp_transport_s *t);
  void (*destroy)(struct usmp_transport_s *t); /* for the application, never called here: closes, frees what it owns */
  /* For published transports over UDP, which acknowledge datagrams by themselves. Here the session does that: a
     transport that sets confirm_authenticated is refused, and set_session_keys is never called. */
  void (*confirm_authenticated)(struct usmp_transport_s *t, uint32_t seq);
  void (*set_session_keys)(struct usmp_transport_s *t, const uint8_t *tx_key, const uint8_t *rx_key);
  void *ctx; /* the transport's own */

  usmp_kind_t kind;
  uint32_t wait_ms;                       /* set before each recv */
  uint8_t peer_address[USMP_ADDRESS_MAX]; /* at a server: for the lockout; zero if there are no addresses */

  /* Used by the transports that come with the ports; no heap is needed for them. */
  int fd;
  int port; /* serial lines: baud */
  char host[USMP_HOST_MAX];

  /* Private: set by a session. */
  struct usmp *session;
  int (*own_available)(struct usmp_transport_s *t); /* behind the session's `available` */
} usmp_transport_t;

/* Both connect at once, to an address or a host name of up to 253 bytes. 0, USMP_ERR_UNREACHABLE, or
   USMP_ERR_INVALID_ARGUMENT for a name or a port that cannot be. */
int usmp_transport_tcp_init(usmp_transport_t *t, const char *server_ip, int port);
int usmp_transport_udp_init(usmp_transport_t *t, const char *server_ip, int port);

/* Names of the published component for the same without heap. Nothing here has a heap: the memory is not used. */
typedef struct usmp_tcp_ctx {
  uint8_t unused;
} usmp_tcp_ctx_t;
typedef struct usmp_udp_ctx {
  uint8_t unused;
} usmp_udp_ctx_t;

static inline int usmp_transport_tcp_init_static(usmp_transport_t *t, usmp_tcp_ctx_t *ctx, const char *server_ip, int port)
{
  return ctx ? usmp_transport_tcp_init(t, server_ip, port) : USMP_ERR_INVALID_ARGUMENT;
}

static inline int usmp_transport_udp_init_static(usmp_transport_t *t, usmp_udp_ctx_t *ctx, const char *server_ip, int port)
{
  return ctx ? usmp_transport_udp_init(t, server_ip, port) : USMP_ERR_INVALID_ARGUMENT;
}

#ifdef __cplusplus
}
#endif
#endif
