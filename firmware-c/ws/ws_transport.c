/* A stream of frames over the messages of a WebSocket. */
#include "ws_transport.h"

#include <string.h>

#define LONGEST_WAIT_MS 250u /* between two feedings of the watchdog */

static uint32_t shorter(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* ---- what the client tells ---- */

/* The words may be the server's: printable ASCII alone, and no more than there is room for. */
static void append(usmp_ws_t *ws, const char *text, size_t len)
{
  size_t used = strlen(ws->problem);

  for (size_t i = 0; i < len && used + 1 < sizeof ws->problem; i++) {
    ws->problem[used++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  }
  ws->problem[used] = 0;
}

/* What was told first says why; what follows is its consequence. */
static void tell_problem(usmp_ws_t *ws, const char *text)
{
  if (!ws->problem[0]) append(ws, text, strlen(text));
}

void usmp_ws_opened(usmp_ws_t *ws)
{
  usmp_ws_port_lock(ws);
  ws->connected = true;
  usmp_ws_port_wake(ws);
  usmp_ws_port_unlock(ws);
}

static const char *name_fault(int err)
{
  switch (err) {
    case USMP_ERR_BAD_MAGIC: return "the server sent a text message, which is no frame";
    case USMP_ERR_INCOMPLETE: return "the server sent a message that is not a whole frame";
    case USMP_ERR_TRAILING_BYTES: return "the server sent a message that is longer than its frame";
    case USMP_ERR_UNEXPECTED_PACKET: return "this is no relay: it answered JOIN with something else";
    default: return "the WebSocket was read without room for a message";
  }
}

/* With the lock. Returns USMP_WS_GO_ON or the status to close with. Behind a fault nothing is taken any more. */
static unsigned take_part(usmp_ws_t *ws, const usmp_ws_part_t *part)
{
  if (ws->ended) return USMP_WS_CLOSE_PROTOCOL_ERROR;
  int err = usmp_ws_link_receive(&ws->link, part);
  if (err == USMP_OK) return USMP_WS_GO_ON;
  tell_problem(ws, name_fault(err));
  ws->ended = true;
  return err == USMP_ERR_TRAILING_BYTES ? USMP_WS_CLOSE_TOO_LONG : USMP_WS_CLOSE_PROTOCOL_ERROR;
}

unsigned usmp_ws_received(usmp_ws_t *ws, const usmp_ws_part_t *part)
{
  usmp_ws_port_lock(ws);
  unsigned result = take_part(ws, part);
  if (result == USMP_WS_GO_ON && !usmp_ws_link_has_room(&ws->link)) {
    ws->link.paused = true;
    result = USMP_WS_PAUSE;
  }
  usmp_ws_port_wake(ws);
  usmp_ws_port_unlock(ws);
  return result;
}

void usmp_ws_closing(usmp_ws_t *ws, uint16_t status, const uint8_t *reason, size_t len)
{
  char digits[5];
  size_t first = sizeof digits;

  for (unsigned rest = status; first == sizeof digits || rest > 0; rest /= 10) digits[--first] = (char)('0' + rest % 10);
  usmp_ws_port_lock(ws);
  if (!ws->ended && !ws->problem[0]) {
    ws->close_code = status;
    tell_problem(ws, "the server closed with ");
    append(ws, digits + first, sizeof digits - first);
    if (len > 0) append(ws, ": ", 2);
    append(ws, (const char *)reason, len);
  }
  usmp_ws_port_unlock(ws);
}

void usmp_ws_ended(usmp_ws_t *ws, const char *problem)
{
  usmp_ws_port_lock(ws);
  tell_problem(ws, problem);
  ws->ended = true;
  usmp_ws_port_wake(ws);
  usmp_ws_port_unlock(ws);
}

/* ---- dialling ---- */

int usmp_ws_configure(usmp_ws_t *ws, const usmp_ws_config_t *config, const char *subprotocol)
{
  if (!ws || !config || !config->url || !config->certificate != !config->key) return USMP_ERR_INVALID_ARGUMENT;
  if (ws->ready) usmp_ws_hang_up(ws, USMP_WS_CLOSE_NORMAL);
  if (usmp_ws_parse_url(config->url, &ws->address) != USMP_OK) return USMP_ERR_INVALID_ARGUMENT;
  ws->config = *config;
  ws->subprotocol = subprotocol;
  if (!ws->ready && usmp_ws_port_init(ws) != USMP_OK) return USMP_ERR_UNREACHABLE;
  ws->ready = true;
  return USMP_OK;
}

/* Waits until it is open (true), or cannot be opened. */
static bool await_opening(usmp_ws_t *ws)
{
  uint32_t limit = ws->config.connect_ms ? ws->config.connect_ms : USMP_WS_CONNECT_MS;
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;

  usmp_ws_port_lock(ws);
  while (!ws->connected && !ws->ended && elapsed < limit) {
    usmp_ws_port_wait(ws, shorter(limit - elapsed, LONGEST_WAIT_MS));
    usmp_port_wdt_feed();
    elapsed = usmp_port_millis() - begin;
  }
  bool connected = ws->connected && !ws->ended;
  if (!connected) tell_problem(ws, "the server did not answer in time");
  usmp_ws_port_unlock(ws);
  return connected;
}

int usmp_ws_dial(usmp_ws_t *ws, usmp_ws_phase_t phase)
{
  usmp_ws_hang_up(ws, USMP_WS_CLOSE_NORMAL);
  usmp_ws_link_reset(&ws->link, phase);
  ws->connected = ws->ended = false;
  ws->close_code = 0;
  ws->problem[0] = 0;
  int err = usmp_ws_port_open(ws);
  if (err != USMP_OK) return err;
  ws->running = true;
  if (await_opening(ws)) return USMP_OK;
  usmp_ws_hang_up(ws, USMP_WS_CLOSE_NORMAL);
  return USMP_ERR_UNREACHABLE;
}

void usmp_ws_hang_up(usmp_ws_t *ws, uint16_t status)
{
  if (!ws->running) return;
  usmp_ws_port_close(ws, status);
  ws->running = false;
  ws->ended = true;
}

void usmp_ws_release(usmp_ws_t *ws)
{
  if (!ws->ready) return;
  usmp_ws_hang_up(ws, USMP_WS_CLOSE_NORMAL);
  usmp_ws_port_release(ws);
  ws->ready = false;
}

const char *usmp_ws_problem(const usmp_ws_t *ws)
{
  return ws->problem;
}

uint16_t usmp_ws_close_code(const usmp_ws_t *ws)
{
  return ws->close_code;
}

/* ---- the transport ---- */

/* The session hands over frames back to back, and perhaps a part of one. Each leaves as one message when it is whole. While the client
   has no room, the last bytes of a frame count as not taken: so the session comes again. */
static int ws_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  usmp_ws_t *ws = t->ctx;
  usmp_ws_link_t *link = &ws->link;
  size_t taken = 0;

  while (taken < len) {
    size_t used = usmp_ws_link_collect(link, data + taken, len - taken);
    if (usmp_ws_link_is_whole(link)) {
      int err = usmp_ws_port_send(ws, link->tx, link->tx_len);
      if (err == USMP_SEND_NO_ROOM) {
        link->tx_len = (uint16_t)(link->tx_len - used);
        return taken > 0 ? (int)taken : USMP_SEND_NO_ROOM;
      }
      if (err != 0) return USMP_ERR_TRANSPORT_FAILED;
      link->tx_len = 0;
    }
    taken += used;
  }
  return (int)len;
}

static int ws_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  usmp_ws_t *ws = t->ctx;
  usmp_ws_link_t *link = &ws->link;

  usmp_ws_port_lock(ws);
  if (link->used == 0 && !ws->ended && t->wait_ms > 0) usmp_ws_port_wait(ws, t->wait_ms);
  int result = (int)usmp_ws_link_take(link, buf, max_len);
  if (result == 0 && ws->ended) result = USMP_ERR_TRANSPORT_FAILED;
  bool resume = link->paused && usmp_ws_link_has_room(link);
  if (resume) link->paused = false;
  usmp_ws_port_unlock(ws);
  if (resume) usmp_ws_port_resume(ws);
  return result;
}

static int ws_available(usmp_transport_t *t)
{
  usmp_ws_t *ws = t->ctx;

  usmp_ws_port_lock(ws);
  int available = ws->link.used > 0 || ws->ended;
  usmp_ws_port_unlock(ws);
  return available;
}

/* After BYE the status is that of a normal end (specification, section 6.3). */
static void ws_close(usmp_transport_t *t)
{
  const struct usmp *session = t->session;
  bool failed = session && session->work && usmp_conn_error(&session->work->conn) != USMP_ERR_CLOSED;

  usmp_ws_hang_up(t->ctx, failed ? USMP_WS_CLOSE_PROTOCOL_ERROR : USMP_WS_CLOSE_NORMAL);
}

static int ws_reconnect(usmp_transport_t *t)
{
  return usmp_ws_dial(t->ctx, USMP_WS_FRAMES);
}

static void ws_destroy(usmp_transport_t *t)
{
  usmp_ws_release(t->ctx);
}

void usmp_ws_as_transport(usmp_transport_t *transport, usmp_ws_t *ws)
{
  memset(transport, 0, sizeof *transport);
  transport->send = ws_send;
  transport->recv = ws_recv;
  transport->close = ws_close;
  transport->available = ws_available;
  transport->destroy = ws_destroy;
  transport->ctx = ws;
  transport->kind = USMP_KIND_STREAM; /* in order and reliable; ws_send sees to one frame a message */
  transport->fd = -1;
}

int usmp_transport_ws_init(usmp_transport_t *transport, usmp_ws_t *ws, const usmp_ws_config_t *config)
{
  if (!transport) return USMP_ERR_INVALID_ARGUMENT;
  int err = usmp_ws_configure(ws, config, NULL);
  if (err != USMP_OK) return err;
  usmp_ws_as_transport(transport, ws);
  transport->reconnect = ws_reconnect;
  err = usmp_ws_dial(ws, USMP_WS_FRAMES);
  if (err != USMP_OK) usmp_ws_release(ws);
  return err;
}
