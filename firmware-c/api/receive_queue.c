#include <string.h>

#include "internal.h"

bool usmp_has_message(const usmp_workspace_t *work)
{
  return work->receive_queue_len > 0 || work->message_waits;
}

/* Datagrams: when two peers send at once, each must take in the messages of the other, or both wait without end. */
static bool push_receive_queue(usmp_workspace_t *work, const uint8_t *data, size_t len)
{
  uint8_t *place = work->receive_queue + work->receive_queue_len;

  if (work->config.kind != USMP_KIND_DATAGRAM) return false;
  if (len + 2 > sizeof work->receive_queue - work->receive_queue_len) return false;
  usmp_store16(place, (uint16_t)len);
  memcpy(place + 2, data, len);
  work->receive_queue_len = (uint16_t)(work->receive_queue_len + len + 2);
  return true;
}

/* While a message waits, nothing behind it is read. The silence of the peer means nothing then, and the peer must hear of us. */
static void set_message_waits(usmp_workspace_t *work, bool waits)
{
  work->message_waits = waits;
  usmp_conn_set_paused(&work->conn, waits, usmp_port_millis());
}

void usmp_collect_events(usmp_t *ctx)
{
  usmp_workspace_t *work = ctx->work;
  usmp_event_t event;

  while (!work->message_waits && usmp_conn_poll_event(&work->conn, &event)) {
    if (event.kind == USMP_EVENT_MESSAGE && !push_receive_queue(work, event.data, event.len)) {
      work->message_len = (uint16_t)event.len;
      set_message_waits(work, true);
    }
    if (event.kind == USMP_EVENT_PONG) work->control_came = true;
    if (event.kind == USMP_EVENT_CLOSED) {
      usmp_log(event.reason == USMP_ERR_CLOSED ? 'I' : 'W', "usmp", usmp_err_name(event.reason));
    }
  }
}

static void drop_first(usmp_workspace_t *work, uint16_t len)
{
  work->too_large = false;
  if (work->receive_queue_len == 0) {
    set_message_waits(work, false);
    return;
  }
  work->receive_queue_len = (uint16_t)(work->receive_queue_len - len - 2);
  memmove(work->receive_queue, work->receive_queue + len + 2, work->receive_queue_len);
  /* The message in the engine's buffer follows as soon as there is room: while it waits, no other one is taken. */
  if (work->message_waits && push_receive_queue(work, work->message, work->message_len)) set_message_waits(work, false);
}

/* A message that does not fit waits for one more call only: an application whose buffer is always too small must get rid of
   it. */
int usmp_take_message(usmp_workspace_t *work, uint8_t *out, uint16_t max_len)
{
  bool first = work->receive_queue_len > 0;
  uint16_t len = first ? usmp_load16(work->receive_queue) : work->message_len;

  if (len > max_len) {
    if (work->too_large) drop_first(work, len);
    else work->too_large = true;
    return USMP_ERR_MESSAGE_TOO_LARGE;
  }
  memcpy(out, first ? work->receive_queue + 2 : work->message, len);
  drop_first(work, len);
  return len;
}
