/* How a connection ends, and what a fault costs that does not end it. All parts of a connection call it; it calls none of them but
   the transmit queue. */
#include "usmp/bytes.h"

#include "connection_internal.h"
#include "tx_queue.h"

int usmp_conn_close_with(usmp_conn_t *conn, int error)
{
  if (conn->state == USMP_CONN_CLOSED) return conn->error;
  /* An attempt with a wrong proof ends with that, whatever else ends it. */
  if (conn->state == USMP_CONN_AWAIT_HELLO_ACK && conn->u.server.last_wrong) error = conn->u.server.last_wrong;
  conn->state = USMP_CONN_CLOSED;
  conn->error = (int8_t)error;
  conn->events |= USMP_PENDING(USMP_EVENT_CLOSED);
  if (usmp_conn_is_datagram(conn)) usmp_tx_clear(conn);
  usmp_wipe(&conn->u, sizeof conn->u);
  return error;
}

int usmp_conn_drop(usmp_conn_t *conn, int error)
{
  conn->last_drop = (int8_t)error;
  if (conn->dropped < UINT16_MAX) conn->dropped++;
  return USMP_OK;
}

/* The commands share this: QUEUE_FULL and a caller's mistake leave the session as it is. */
int usmp_conn_command_result(usmp_conn_t *conn, int err)
{
  if (err >= 0 || err == USMP_ERR_QUEUE_FULL || err == USMP_ERR_INVALID_ARGUMENT) return err;
  return usmp_conn_close_with(conn, err);
}
