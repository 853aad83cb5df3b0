/* What the two roles share with the engine. */
#ifndef USMP_CONNECTION_INTERNAL_H
#define USMP_CONNECTION_INTERNAL_H

#include "usmp/connection.h"

int usmp_conn_init(usmp_conn_t *conn, const usmp_config_t *config, const usmp_buffers_t *buffers,
                   uint32_t now);

/* Queues a plain handshake frame whose payload is copied. A frame that is queued already is answered by
   what led to this one: on datagrams it is not sent again. */
int usmp_conn_queue_plain(usmp_conn_t *conn, uint32_t type, uint32_t seq, const uint8_t *payload,
                          size_t len);

/* Datagrams: acknowledges a handshake frame. Elsewhere nothing happens. */
void usmp_conn_acknowledge_plain(usmp_conn_t *conn, const usmp_frame_t *frame);

/* Datagrams: whether this is, by its CRC, the handshake frame of its kind that was taken last. */
bool usmp_conn_is_accepted(usmp_conn_t *conn, const usmp_frame_t *frame);

/* Datagrams: acknowledges a frame of the handshake whose acknowledgement may have been lost. */
void usmp_conn_acknowledge_again(usmp_conn_t *conn, const usmp_frame_t *frame);

/* Ends the connection. Returns why: `error`, or what had ended it before. */
int usmp_conn_close_with(usmp_conn_t *conn, int error);

/* From the handshake to the session. */
void usmp_conn_establish(usmp_conn_t *conn, const usmp_traffic_keys_t *keys, const uint8_t *session_id,
                         uint8_t suite, bool client);

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

#endif
