/* Version 2: the handshake of a server, on a connection. */
#include <string.h>

#include "connection_internal.h"
#include "datagram.h"
#include "tx_queue.h"
#include "usmp/callbacks.h"
#include "wire_v2.h"

#define LOOKUP_PAUSE_MS 1000u /* after a look-up that failed */

/* The key could not be looked up, which says nothing about the device: it is told so, or would take a store that is away for a
   wrong key (specification 2.4). On datagrams and serial lines it may ask again until the deadline. */
static int lookup_failed(usmp_conn_t *conn, const usmp_frame_t *hello, int error)
{
  static const uint8_t internal[USMP_ERROR_SIZE] = {USMP_ERROR_INTERNAL};
  usmp_server_t *server = &conn->u.server;
  bool stays = usmp_conn_is_datagram(conn) || usmp_conn_is_serial(conn);

  int err = usmp_tx_queue_plain(conn, USMP_TYPE_ERROR, 0, internal, sizeof internal);
  /* Guesses that were made in this attempt are counted for this device: no other may begin in it. */
  if (!stays || server->wrong_proofs > 0) return usmp_conn_close_with(conn, error);
  usmp_datagram_accept_handshake(conn, hello);
  conn->state = USMP_CONN_AWAIT_HELLO;
  server->refusal = error;
  server->looked_up_at = conn->now;
  return err;
}

/* Datagrams: after a failed look-up only the same HELLO is taken again. The engine cannot check the cookie of another one. */
static bool may_look_up(usmp_conn_t *conn, const usmp_frame_t *hello)
{
  bool again = usmp_conn_is_datagram(conn) && conn->u.server.refusal;
  return !again || usmp_datagram_is_accepted(conn, hello);
}

/* After a failed look-up in this attempt: no peer may ask the store again and again. A HELLO that comes too early is dropped,
   without an acknowledgement, so that its client sends it once more. */
static bool is_too_early(const usmp_conn_t *conn)
{
  const usmp_server_t *server = &conn->u.server;
  bool failed = conn->state == USMP_CONN_AWAIT_HELLO && server->refusal;

  return failed && conn->now - server->looked_up_at < LOOKUP_PAUSE_MS;
}

static int on_hello(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  const usmp_config_t *config = conn->config;
  usmp_credential_t found = {NULL, 0, usmp_conn_suite(config)};
  uint8_t challenge[USMP_CHALLENGE_SIZE];

  if (frame->length != USMP_HELLO_SIZE && frame->length != USMP_HELLO_COOKIE_SIZE) {
    return USMP_ERR_BAD_PAYLOAD;
  }
  if (!may_look_up(conn, frame)) return USMP_ERR_BAD_COOKIE;
  if (is_too_early(conn)) return USMP_ERR_UNEXPECTED_PACKET;
  int refusal = usmp_find_psk_result(config->find_psk(config->context, frame->payload, &found));
  if (refusal == USMP_ERR_LOCKED_OUT) return refusal;
  memcpy(conn->device_id, frame->payload, USMP_DEVICE_ID_LEN);
  /* On a serial line the time of the attempt begins with its first HELLO, and no further one moves it. */
  bool first = conn->state == USMP_CONN_AWAIT_HELLO && !conn->u.server.refusal;
  if (usmp_conn_is_serial(conn) && first) conn->received_at = conn->now;
  if (usmp_is_failed_lookup(refusal)) return lookup_failed(conn, frame, refusal);
  if (refusal == USMP_OK && (!found.psk || !usmp_suite_available(found.suite))) refusal = USMP_ERR_UNKNOWN_DEVICE;
  /* Judges something always, so that a known device and an unknown one take the same time. */
  bool known = refusal == USMP_OK;
  const uint8_t *psk = known ? found.psk : frame->payload + USMP_HELLO_PUBLIC;
  int weak = usmp_psk_check(psk, known ? found.psk_len : USMP_KEY_SIZE, config->allow_weak_psk);
  if (known) refusal = weak;
  int err = usmp_server_hello(&conn->u.server, config, &found, refusal, frame->payload, challenge);
  if (err != USMP_OK) return err;
  conn->state = USMP_CONN_AWAIT_HELLO_ACK;
  usmp_datagram_accept_handshake(conn, frame);
  return usmp_tx_queue_plain(conn, USMP_TYPE_CHALLENGE, 0, challenge, sizeof challenge);
}

/* A second HELLO. An attempt is for one device. On a serial line the client has started again; on datagrams it may be the same one
   again, with or without its cookie. */
static int on_hello_again(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  const usmp_server_t *server = &conn->u.server;

  if (!usmp_conn_is_serial(conn) && !usmp_conn_is_datagram(conn)) return USMP_ERR_UNEXPECTED_PACKET;
  if (frame->length != USMP_HELLO_SIZE && frame->length != USMP_HELLO_COOKIE_SIZE) return USMP_ERR_BAD_PAYLOAD;
  if (memcmp(frame->payload, conn->device_id, USMP_DEVICE_ID_LEN) != 0) return USMP_ERR_UNEXPECTED_PACKET;
  if (usmp_conn_is_serial(conn)) return on_hello(conn, frame);
  if (memcmp(frame->payload + USMP_HELLO_PUBLIC, server->transcript.client_public, USMP_KEY_SIZE) != 0) {
    return USMP_ERR_UNEXPECTED_PACKET;
  }
  if (frame->length == USMP_HELLO_COOKIE_SIZE && !usmp_datagram_is_accepted(conn, frame)) return USMP_ERR_BAD_COOKIE;
  usmp_datagram_acknowledge(conn, frame, NULL);
  return USMP_OK;
}

/* Where one does not end the handshake, a few end the attempt. */
static int wrong_proof(usmp_conn_t *conn, int error)
{
  usmp_server_t *server = &conn->u.server;

  server->last_wrong = error;
  server->wrong_proofs++;
  return server->wrong_proofs < USMP_MAX_WRONG_PROOFS ? error : usmp_conn_close_with(conn, error);
}

static int on_hello_ack(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  usmp_server_t *server = &conn->u.server;
  usmp_traffic_keys_t keys;
  uint8_t session_ok[USMP_SESSION_OK_SIZE];

  if (frame->length != USMP_MAC_SIZE) return USMP_ERR_BAD_PAYLOAD;
  int err = usmp_server_hello_ack(server, conn->config->crypto, frame->payload, &keys);
  if (err != USMP_OK) return wrong_proof(conn, err);
  memcpy(session_ok, server->session_ok, sizeof session_ok);
  usmp_datagram_accept_handshake(conn, frame);
  usmp_conn_establish(conn, &keys, session_ok, server->suite, false);
  usmp_wipe(&keys, sizeof keys);
  return usmp_tx_queue_plain(conn, USMP_TYPE_SESSION_OK, 0, session_ok, sizeof session_ok);
}

static int on_frame(usmp_conn_t *conn, const usmp_frame_t *frame)
{
  bool first = conn->state == USMP_CONN_AWAIT_HELLO;

  if (frame->type == USMP_TYPE_HELLO) {
    return first ? on_hello(conn, frame) : on_hello_again(conn, frame);
  }
  if (frame->type == USMP_TYPE_HELLO_ACK && !first) return on_hello_ack(conn, frame);
  return USMP_ERR_UNEXPECTED_PACKET;
}

static int start(usmp_conn_t *conn)
{
  conn->state = USMP_CONN_AWAIT_HELLO;
  return USMP_OK;
}

const usmp_wire_protocol_t usmp_wire_v2_server = {USMP_WIRE_V2_RECORDS, .start = start, .on_frame = on_frame};
