/* WebSockets on ESP-IDF, by esp_websocket_client. Its events come in a task of its own, which holds a lock of the client: so nothing
   here calls the client with our lock taken. */
#include <sdkconfig.h>
#include <string.h>
#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
#include <esp_crt_bundle.h>
#endif
#include <esp_websocket_client.h>
#include <psa/crypto.h>

#include "usmp/crypto_psa.h"
#include "ws_port.h"

#define NETWORK_TIMEOUT_MS 5000
#define SEND_MS 5000
#define ROOM_WAIT_MS 250u
/* A frame fits, so that each leaves in one piece. */
#define BUFFER_SIZE 512
#define TASK_STACK 6144 /* TLS is spoken in the task of the client */
/* Of RFC 6455, section 5.2. */
#define OPCODE_CONTINUATION 0x0
#define OPCODE_TEXT 0x1
#define OPCODE_BINARY 0x2
#define OPCODE_CLOSE 0x8

/* ---- waiting ---- */

void usmp_ws_port_lock(usmp_ws_t *ws)
{
  xSemaphoreTake(ws->port.mutex, portMAX_DELAY);
}

void usmp_ws_port_unlock(usmp_ws_t *ws)
{
  xSemaphoreGive(ws->port.mutex);
}

void usmp_ws_port_wait(usmp_ws_t *ws, uint32_t wait_ms)
{
  TickType_t ticks = pdMS_TO_TICKS(wait_ms);

  usmp_ws_port_unlock(ws);
  xSemaphoreTake(ws->port.changed, ticks > 0 ? ticks : 1);
  usmp_ws_port_lock(ws);
}

void usmp_ws_port_wake(usmp_ws_t *ws)
{
  xSemaphoreGive(ws->port.changed);
}

int usmp_ws_port_init(usmp_ws_t *ws)
{
  usmp_ws_port_t *port = &ws->port;

  memset(port, 0, sizeof *port);
  port->mutex = xSemaphoreCreateMutexStatic(&port->mutex_memory);
  port->changed = xSemaphoreCreateBinaryStatic(&port->changed_memory);
  port->room = xSemaphoreCreateBinaryStatic(&port->room_memory);
  return USMP_OK;
}

void usmp_ws_port_release(usmp_ws_t *ws)
{
  vSemaphoreDelete(ws->port.room);
  vSemaphoreDelete(ws->port.changed);
  vSemaphoreDelete(ws->port.mutex);
}

int usmp_ws_port_sha256(const uint8_t *data, size_t len, uint8_t out[32])
{
  size_t used;

  if (!usmp_psa_start()) return USMP_ERR_CRYPTO_FAILED;
  usmp_psa_lock();
  psa_status_t status = psa_hash_compute(PSA_ALG_SHA_256, data, len, out, 32, &used);
  usmp_psa_unlock();
  return status == PSA_SUCCESS ? USMP_OK : USMP_ERR_CRYPTO_FAILED;
}

/* ---- events ---- */

/* Holds the task of the client up until a message has room: then TCP holds the server up. */
static void await_room(usmp_ws_t *ws)
{
  bool wait = true;

  while (wait) {
    usmp_ws_port_lock(ws);
    wait = ws->link.paused && !ws->port.closing;
    usmp_ws_port_unlock(ws);
    if (wait) xSemaphoreTake(ws->port.room, pdMS_TO_TICKS(ROOM_WAIT_MS));
  }
}

void usmp_ws_port_resume(usmp_ws_t *ws)
{
  xSemaphoreGive(ws->port.room);
}

/* A frame of WebSocket may come in parts, and a message in several frames. */
static void on_message(usmp_ws_t *ws, const esp_websocket_event_data_t *event)
{
  const usmp_ws_part_t part = {
    .bytes = (const uint8_t *)event->data_ptr,
    .len = (size_t)event->data_len,
    .first = event->op_code != OPCODE_CONTINUATION && event->payload_offset == 0,
    .last = event->fin && event->payload_offset + event->data_len >= event->payload_len,
    .binary = event->op_code == OPCODE_BINARY,
  };

  /* After a fault the session closes: in here the client must not be ended. */
  if (usmp_ws_received(ws, &part) == USMP_WS_PAUSE) await_room(ws);
}

static void on_data(usmp_ws_t *ws, const esp_websocket_event_data_t *event)
{
  const uint8_t *bytes = (const uint8_t *)event->data_ptr;

  usmp_ws_port_lock(ws);
  bool ignored = ws->ended || ws->port.closing;
  usmp_ws_port_unlock(ws);
  if (ignored || event->data_len < 0) return;
  switch (event->op_code) {
    case OPCODE_CONTINUATION:
    case OPCODE_TEXT:
    case OPCODE_BINARY: on_message(ws, event); break;
    case OPCODE_CLOSE:
      if (event->payload_offset > 0 || event->data_len < 2) break;
      usmp_ws_closing(ws, (uint16_t)(bytes[0] << 8 | bytes[1]), bytes + 2, (size_t)event->data_len - 2);
      break;
    default: break;
  }
}

static void on_error(usmp_ws_t *ws, const esp_websocket_event_data_t *event)
{
  const esp_websocket_error_codes_t *error = &event->error_handle;
  const char *problem = "the server cannot be reached";

  if (error->esp_tls_cert_verify_flags != 0) problem = "the certificate of the server is not accepted";
  else if (error->error_type == WEBSOCKET_ERROR_TYPE_HANDSHAKE) problem = "the server takes no WebSocket at this address";
  else if (error->error_type == WEBSOCKET_ERROR_TYPE_PONG_TIMEOUT) problem = "the server is silent";
  usmp_ws_ended(ws, problem);
}

static void on_event(void *context, esp_event_base_t base, int32_t id, void *data)
{
  usmp_ws_t *ws = context;

  (void)base;
  switch ((esp_websocket_event_id_t)id) {
    case WEBSOCKET_EVENT_CONNECTED: usmp_ws_opened(ws); break;
    case WEBSOCKET_EVENT_DATA: on_data(ws, data); break;
    case WEBSOCKET_EVENT_ERROR: on_error(ws, data); break;
    case WEBSOCKET_EVENT_DISCONNECTED:
    case WEBSOCKET_EVENT_CLOSED: usmp_ws_ended(ws, "the connection was lost"); break;
    default: break;
  }
}

/* ---- start and end ---- */

/* False: TLS that would trust anybody. */
static bool set_trust(esp_websocket_client_config_t *client, const usmp_ws_config_t *config)
{
  client->cert_pem = config->ca;
  client->client_cert = config->certificate;
  client->client_key = config->key;
  if (config->ca) return true;
#if CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
  client->crt_bundle_attach = esp_crt_bundle_attach;
  return true;
#else
  return false;
#endif
}

static void destroy(usmp_ws_t *ws)
{
  esp_websocket_client_destroy(ws->port.client);
  ws->port.client = NULL;
}

int usmp_ws_port_open(usmp_ws_t *ws)
{
  usmp_ws_port_t *port = &ws->port;
  esp_websocket_client_config_t client = {
    .host = ws->address.host,
    .port = ws->address.port,
    .path = ws->address.path,
    .transport = ws->address.tls ? WEBSOCKET_TRANSPORT_OVER_SSL : WEBSOCKET_TRANSPORT_OVER_TCP,
    .subprotocol = ws->subprotocol,
    .disable_auto_reconnect = true,  /* a session has one connection */
    .disable_pingpong_discon = true, /* USMP notices a peer that is silent, */
    .ping_interval_sec = 3600,       /* and has its own PINGs */
    .task_stack = TASK_STACK,
    .buffer_size = BUFFER_SIZE,
    .network_timeout_ms = NETWORK_TIMEOUT_MS,
  };

  if (ws->address.tls && !set_trust(&client, &ws->config)) return USMP_ERR_INVALID_ARGUMENT;
  port->closing = false;
  port->client = esp_websocket_client_init(&client);
  if (!port->client) return USMP_ERR_UNREACHABLE;
  if (esp_websocket_register_events(port->client, WEBSOCKET_EVENT_ANY, on_event, ws) == ESP_OK &&
      esp_websocket_client_start(port->client) == ESP_OK) {
    return USMP_OK;
  }
  destroy(ws);
  return USMP_ERR_UNREACHABLE;
}

/* The close says goodbye while there is a connection, and ends the task in any case. */
void usmp_ws_port_close(usmp_ws_t *ws, uint16_t status)
{
  usmp_ws_port_lock(ws);
  ws->port.closing = true;
  usmp_ws_port_unlock(ws);
  usmp_ws_port_resume(ws);
  if (esp_websocket_client_is_connected(ws->port.client)) {
    esp_websocket_client_close_with_code(ws->port.client, status, NULL, 0, pdMS_TO_TICKS(USMP_WS_CLOSE_MS));
  }
  destroy(ws);
}

/* The client says -1 when its lock was not to be had, and when it has given the connection up. */
int usmp_ws_port_send(usmp_ws_t *ws, const uint8_t *message, size_t len)
{
  struct esp_websocket_client *client = ws->port.client;

  usmp_ws_port_lock(ws);
  bool held_up = ws->link.paused;
  bool over = ws->ended;
  usmp_ws_port_unlock(ws);
  if (over) return USMP_ERR_TRANSPORT_FAILED;
#if !CONFIG_ESP_WS_CLIENT_SEPARATE_TX_LOCK
  if (held_up) return USMP_SEND_NO_ROOM; /* its task waits in await_room, and has the lock */
#else
  (void)held_up;
#endif
  if (esp_websocket_client_send_bin(client, (const char *)message, (int)len, pdMS_TO_TICKS(SEND_MS)) == (int)len) return 0;
  return esp_websocket_client_is_connected(client) ? USMP_SEND_NO_ROOM : USMP_ERR_TRANSPORT_FAILED;
}
