/* What the parts of a connection share: the two handshakes, the transmit queue, keepalive, datagrams, the session. */
#ifndef USMP_CONNECTION_INTERNAL_H
#define USMP_CONNECTION_INTERNAL_H

#include "usmp/connection.h"

/* In close.c. Ends the connection. Returns why: `error`, or what had ended it before. */
int usmp_conn_close_with(usmp_conn_t *conn, int error);

/* In established.c. From the handshake to the session. */
void usmp_conn_establish(usmp_conn_t *conn, const usmp_traffic_keys_t *keys, const uint8_t *session_id, uint8_t suite,
                         bool client);

/* In close.c. Counts a frame that is dropped, and remembers why. Returns 0. */
int usmp_conn_drop(usmp_conn_t *conn, int error);

/* In close.c. What a command of the application returns: USMP_ERR_QUEUE_FULL and USMP_ERR_INVALID_ARGUMENT leave the session as it is, any
   other error ends it. */
int usmp_conn_command_result(usmp_conn_t *conn, int err);

/* The bit of an event that waits to be fetched. */
#define USMP_PENDING(kind) (1u << (kind))

static inline uint8_t usmp_conn_suite(const usmp_config_t *config)
{
  return config->suite ? config->suite : USMP_CIPHER_DEFAULT;
}

static inline bool usmp_conn_is_datagram(const usmp_conn_t *conn)
{
  return USMP_WITH_DATAGRAM && conn->datagram;
}

static inline bool usmp_conn_is_serial(const usmp_conn_t *conn)
{
  return USMP_WITH_SERIAL && conn->serial;
}

static inline bool usmp_conn_is_closing(const usmp_conn_t *conn)
{
  return USMP_WITH_DATAGRAM && conn->state == USMP_CONN_CLOSING;
}

#endif
