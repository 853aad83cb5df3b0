/* What carries the bytes: five functions. A stream is the default, so that a transport written for the
   published component (all fields zero but its functions) is one. */
#ifndef USMP_TRANSPORT_H
#define USMP_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "usmp/connection.h"
#include "usmp/lockout.h"

#ifdef __cplusplus
extern "C" {
#endif

#define USMP_HOST_MAX 64

typedef struct usmp_transport_s {
  /* Less than zero: failed. Zero or `len`: all was taken. Else so many bytes were, and it is called again
     with the rest (streams only; a datagram goes out whole). */
  int (*send)(struct usmp_transport_s *t, const uint8_t *data, size_t len);
  /* Bytes of the stream, or one datagram. Waits up to wait_ms, or as long as it likes. Zero: nothing yet.
     Less than zero: ended or failed. May be called while another thread is in send. */
  int (*recv)(struct usmp_transport_s *t, uint8_t *buf, size_t max_len);
  void (*close)(struct usmp_transport_s *t);
  int (*reconnect)(struct usmp_transport_s *t);  /* 0, or less than zero; null: cannot */
  int (*available)(struct usmp_transport_s *t); /* more than zero: recv would not wait; null: not known */
  void *ctx;                                    /* the transport's own */

  usmp_kind_t kind;
  uint32_t wait_ms; /* set before each recv */
  uint8_t peer_address[USMP_ADDRESS_MAX]; /* at a server: for the lockout; zero if there are no addresses */

  /* Used by the transports that come with the ports; no heap is needed for them. */
  int fd;
  int port; /* serial lines: baud */
  char host[USMP_HOST_MAX];
} usmp_transport_t;

/* Both connect at once. 0, or USMP_ERR_UNREACHABLE. */
int usmp_transport_tcp_init(usmp_transport_t *t, const char *server_ip, int port);
int usmp_transport_udp_init(usmp_transport_t *t, const char *server_ip, int port);

#ifdef __cplusplus
}
#endif
#endif
