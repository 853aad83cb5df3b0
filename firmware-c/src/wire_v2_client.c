/* Version 2: the handshake of a client, on a connection. */
#include "connection_internal.h"
#include "datagram.h"
#include "tx_queue.h"
#include "wire_v2.h"

static int send_hello(usmp_conn_t *conn)
{
  uint8_t hello[USMP_HELLO_COOKIE_SIZE];
  size_t len = usmp_client_hello(&conn->u.client, conn->config, hello);

  return usmp_tx_queue_plain(conn, USMP_TYPE_HELLO, conn->u.client.retried, hello, len);
}

static int send_answer(usmp_conn_t *conn)
{
  uint8_t mac[USMP_MAC_SIZE];

  int err = usmp_client_answer(&conn->u.client, conn->config, mac);
  return err != USMP_OK ? err : usmp_tx_queue_plain(conn, USMP_TYPE_HELLO_ACK, 2, mac, sizeof mac);
}

/* A forged CHALLENGE must not keep the answer to the good one back: the answers alternate. */
static int answer_other_challenge(usmp_conn_t *conn)
{
  if (conn->state != USMP_CONN_AWAIT_SESSION_OK || conn->u.client.challenge_count < 2) return USMP_OK;
  usmp_client_swap(&conn->u.client);
  return send_answer(conn);
}

static int on_retry(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  if (frame->length != USMP_COOKIE_SIZE) return USMP_ERR_BAD_PAYLOAD;
  if (conn->u.client.retried && !usmp_conn_is_datagram(conn)) return USMP_ERR_UNEXPECTED_PACKET;
  int again = usmp_client_retry(&conn->u.client, frame->payload);
  if (again < 0) return again;
  usmp_datagram_accept_handshake(conn, frame);
  if (again) return USMP_OK;
  conn->received_at = conn->now;
  return send_hello(conn);
}

static int on_challenge(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  if (frame->length != USMP_CHALLENGE_SIZE) return USMP_ERR_BAD_PAYLOAD;
  int again = usmp_client_challenge(&conn->u.client, conn->config, frame->payload);
  if (again < 0) return again;
  usmp_datagram_accept_handshake(conn, frame);
  if (again) return USMP_OK;
  if (conn->state == USMP_CONN_AWAIT_CHALLENGE) conn->received_at = conn->now;
  conn->state = USMP_CONN_AWAIT_SESSION_OK;
  return send_answer(conn);
}

static int on_session_ok(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  usmp_traffic_keys_t keys;

  if (frame->length != USMP_SESSION_OK_SIZE) return USMP_ERR_BAD_PAYLOAD;
  int err = usmp_client_session_ok(&conn->u.client, conn->config, frame->payload, &keys);
  if (err == USMP_OK) {
    usmp_datagram_accept_handshake(conn, frame);
    usmp_conn_establish(conn, &keys, frame->payload, usmp_conn_suite(conn->config), true);
  }
  usmp_wipe(&keys, sizeof keys);
  return err;
}

static int on_frame(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  bool first = conn->state == USMP_CONN_AWAIT_CHALLENGE;
  bool again = usmp_conn_is_datagram(conn) && conn->u.client.retried; /* a datagram may be repeated, or come late */
  bool another = usmp_conn_is_datagram(conn) || usmp_conn_is_serial(conn);

  if (frame->type == USMP_TYPE_HELLO_RETRY && (first || again)) return on_retry(conn, frame);
  if (frame->type == USMP_TYPE_CHALLENGE && (first || another)) return on_challenge(conn, frame);
  if (frame->type == USMP_TYPE_SESSION_OK && !first) return on_session_ok(conn, frame);
  return USMP_ERR_UNEXPECTED_PACKET;
}

static int start(usmp_conn_t *conn)
{
  int err = usmp_client_start(&conn->u.client, conn->config);
  conn->state = USMP_CONN_AWAIT_CHALLENGE;
  return err == USMP_OK ? send_hello(conn) : err;
}

const usmp_wire_protocol_t usmp_wire_v2_client = {USMP_WIRE_V2_RECORDS, .start = start, .on_frame = on_frame,
                                                  .on_lost = answer_other_challenge};
