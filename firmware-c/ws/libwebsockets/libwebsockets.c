/* WebSockets on a host, by libwebsockets. Its functions are called in one thread, which belongs to this WebSocket; only
   lws_cancel_service may be called in others. */
#include <arpa/inet.h>
#include <libwebsockets.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "usmp_relay.h"
#include "ws_port.h"

/* ---- waiting ---- */

void usmp_ws_port_lock(usmp_ws_t *ws)
{
  usmp_posix_monitor_lock(&ws->port.monitor);
}

void usmp_ws_port_unlock(usmp_ws_t *ws)
{
  usmp_posix_monitor_unlock(&ws->port.monitor);
}

void usmp_ws_port_wait(usmp_ws_t *ws, uint32_t wait_ms)
{
  usmp_posix_monitor_wait(&ws->port.monitor, wait_ms);
}

void usmp_ws_port_wake(usmp_ws_t *ws)
{
  usmp_posix_monitor_wake(&ws->port.monitor);
}

int usmp_ws_port_init(usmp_ws_t *ws)
{
  memset(&ws->port, 0, sizeof ws->port);
  return usmp_posix_monitor_init(&ws->port.monitor);
}

void usmp_ws_port_release(usmp_ws_t *ws)
{
  usmp_posix_monitor_destroy(&ws->port.monitor);
}

int usmp_ws_port_sha256(const uint8_t *data, size_t len, uint8_t out[32])
{
  return SHA256(data, len, out) ? USMP_OK : USMP_ERR_CRYPTO_FAILED;
}

/* ---- callbacks of libwebsockets, all in the thread ---- */

static bool is_ip_address(const char *host)
{
  uint8_t address[16];
  return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* libwebsockets compares a certificate with names alone. For an address OpenSSL itself is told, and libwebsockets is told not to
   compare (LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK). */
static int demand_address(const usmp_ws_t *ws, SSL_CTX *ssl)
{
  if (!is_ip_address(ws->address.host)) return 0;
  return X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(ssl), ws->address.host) == 1 ? 0 : -1;
}

/* Only to tell why: OpenSSL has decided. */
static int certificate_checked(usmp_ws_t *ws, X509_STORE_CTX *check, bool good)
{
  char text[USMP_WS_PROBLEM_SIZE];

  if (good) return 0;
  snprintf(text, sizeof text, "the certificate of the server: %s",
           X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)));
  usmp_ws_ended(ws, text);
  return 0;
}

/* When there is no room, libwebsockets is told to pause outside of this callback (woken). In here it would store the rest of what it has
   read, and it then hangs over that (4.1). */
static int received(usmp_ws_t *ws, struct lws *wsi, const void *bytes, size_t len)
{
  const usmp_ws_part_t part = {
    .bytes = bytes,
    .len = len,
    .first = lws_is_first_fragment(wsi),
    .last = lws_is_final_fragment(wsi),
    .binary = lws_frame_is_binary(wsi),
  };

  unsigned result = usmp_ws_received(ws, &part);
  if (result == USMP_WS_GO_ON) return 0;
  if (result == USMP_WS_PAUSE) {
    lws_cancel_service(ws->port.context);
    return 0;
  }
  lws_close_reason(wsi, (enum lws_close_status)result, NULL, 0);
  return -1;
}

/* One message, or, when nothing waits any more, the close frame. */
static int may_write(usmp_ws_t *ws, struct lws *wsi)
{
  usmp_ws_port_t *port = &ws->port;
  uint8_t message[LWS_PRE + USMP_MAX_FRAME_SIZE]; /* libwebsockets writes its header in front */
  size_t len = 0;

  usmp_ws_port_lock(ws);
  if (port->count > 0) {
    len = port->queue[port->first].len;
    memcpy(message + LWS_PRE, port->queue[port->first].bytes, len);
    port->first = (port->first + 1) % USMP_WS_TX_SLOTS;
    port->count--;
  }
  bool more = port->count > 0 || port->closing;
  bool leave = len == 0 && port->closing;
  uint16_t status = port->status;
  usmp_ws_port_unlock(ws);
  if (leave) {
    lws_close_reason(wsi, (enum lws_close_status)status, NULL, 0);
    return -1;
  }
  if (len > 0 && lws_write(wsi, message + LWS_PRE, len, LWS_WRITE_BINARY) < 0) return -1;
  if (more) lws_callback_on_writable(wsi);
  return 0;
}

static int peer_closes(usmp_ws_t *ws, const uint8_t *body, size_t len)
{
  if (len >= 2) usmp_ws_closing(ws, (uint16_t)(body[0] << 8 | body[1]), body + 2, len - 2);
  return 0;
}

static void gone(usmp_ws_t *ws, const char *problem)
{
  ws->port.wsi = NULL;
  ws->port.opened = false;
  usmp_ws_ended(ws, problem);
}

/* The application's thread has something for this one, or a callback has. */
static void woken(usmp_ws_t *ws)
{
  struct lws *wsi = ws->port.wsi;

  if (!wsi || !ws->port.opened) return;
  usmp_ws_port_lock(ws);
  bool reads = !ws->link.paused;
  bool writes = ws->port.count > 0 || ws->port.closing;
  usmp_ws_port_unlock(ws);
  lws_rx_flow_control(wsi, reads);
  if (writes) lws_callback_on_writable(wsi);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
  usmp_ws_t *ws = lws_context_user(lws_get_context(wsi));

  switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS: return demand_address(ws, user);
    case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION: return certificate_checked(ws, user, len != 0);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
      ws->port.opened = true;
      usmp_ws_opened(ws);
      return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE: return received(ws, wsi, in, len);
    case LWS_CALLBACK_CLIENT_WRITEABLE: return may_write(ws, wsi);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: return peer_closes(ws, in, len);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR: gone(ws, in ? in : "the server cannot be reached"); return 0;
    case LWS_CALLBACK_CLIENT_CLOSED: gone(ws, "the connection was lost"); return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED: woken(ws); return 0;
    default: return 0;
  }
}

/* ---- the thread ---- */

static void dial(usmp_ws_t *ws)
{
  const usmp_ws_address_t *address = &ws->address;
  char host[USMP_HOST_MAX + 10];
  struct lws_client_connect_info info = {0};

  snprintf(host, sizeof host, strchr(address->host, ':') ? "[%s]:%d" : "%s:%d", address->host, address->port);
  info.context = ws->port.context;
  info.address = address->host;
  info.port = address->port;
  info.path = address->path;
  info.host = host;
  info.protocol = ws->subprotocol;
  info.local_protocol_name = USMP_RELAY_SUBPROTOCOL; /* the only one that is known here, asked for or not */
  info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
  if (address->tls) info.ssl_connection |= LCCSCF_USE_SSL;
  if (is_ip_address(address->host)) info.ssl_connection |= LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK; /* demand_address compares */
  info.alpn = "http/1.1";
  info.pwsi = &ws->port.wsi;
  if (!lws_client_connect_via_info(&info)) gone(ws, "the server cannot be reached");
}

static bool is_over(usmp_ws_t *ws)
{
  usmp_ws_port_t *port = &ws->port;

  usmp_ws_port_lock(ws);
  bool over = port->abandoned || (port->closing && (!port->wsi || !port->opened));
  usmp_ws_port_unlock(ws);
  return over;
}

static void *run(void *context)
{
  usmp_ws_t *ws = context;

  dial(ws);
  while (!is_over(ws)) {
    if (lws_service(ws->port.context, 0) < 0) break;
  }
  usmp_ws_port_lock(ws);
  ws->port.over = true;
  usmp_ws_port_wake(ws);
  usmp_ws_port_unlock(ws);
  return NULL;
}

/* ---- start and end ---- */

static bool is_readable(const char *path)
{
  return !path || access(path, R_OK) == 0;
}

static struct lws_context *make_context(usmp_ws_t *ws)
{
  static const struct lws_protocols protocols[] = {
    {.name = USMP_RELAY_SUBPROTOCOL, .callback = on_event, .rx_buffer_size = USMP_MAX_FRAME_SIZE},
    {.name = NULL},
  };
  struct lws_context_creation_info info = {0};

  lws_set_log_level(0, NULL);
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = protocols;
  info.user = ws;
  info.gid = info.uid = -1;     /* privileges stay */
  info.fd_limit_per_thread = 8; /* one connection; by default it takes memory for all that the system allows */
  info.http_proxy_address = ""; /* and not that of the environment */
  info.timeout_secs = (ws->config.connect_ms ? ws->config.connect_ms : USMP_WS_CONNECT_MS) / 1000u + 1;
  if (ws->address.tls) {
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    if (ws->config.ca) info.options |= LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
    info.client_ssl_ca_filepath = ws->config.ca;
    info.client_ssl_cert_filepath = ws->config.certificate;
    info.client_ssl_private_key_filepath = ws->config.key;
  }
  return lws_create_context(&info);
}

int usmp_ws_port_open(usmp_ws_t *ws)
{
  usmp_ws_port_t *port = &ws->port;
  const usmp_ws_config_t *config = &ws->config;

  if (!is_readable(config->ca) || !is_readable(config->certificate) || !is_readable(config->key))
    return USMP_ERR_INVALID_ARGUMENT;
  port->first = port->count = 0;
  port->closing = port->abandoned = port->over = port->opened = false;
  port->wsi = NULL;
  port->context = make_context(ws);
  if (!port->context) return USMP_ERR_INVALID_ARGUMENT; /* certificate and key do not fit, or there is no memory */
  if (pthread_create(&port->thread, NULL, run, ws) == 0) return USMP_OK;
  lws_context_destroy(port->context);
  return USMP_ERR_UNREACHABLE;
}

void usmp_ws_port_close(usmp_ws_t *ws, uint16_t status)
{
  usmp_ws_port_t *port = &ws->port;
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;

  usmp_ws_port_lock(ws);
  port->closing = true;
  port->status = status;
  lws_cancel_service(port->context);
  while (!port->over && elapsed < USMP_WS_CLOSE_MS) {
    usmp_ws_port_wait(ws, USMP_WS_CLOSE_MS - elapsed);
    usmp_port_wdt_feed();
    elapsed = usmp_port_millis() - begin;
  }
  port->abandoned = true;
  lws_cancel_service(port->context);
  usmp_ws_port_unlock(ws);
  pthread_join(port->thread, NULL);
  lws_context_destroy(port->context);
  port->context = NULL;
}

int usmp_ws_port_send(usmp_ws_t *ws, const uint8_t *message, size_t len)
{
  usmp_ws_port_t *port = &ws->port;
  int result = 0;

  usmp_ws_port_lock(ws);
  if (ws->ended || port->closing || len > USMP_MAX_FRAME_SIZE) {
    result = USMP_ERR_TRANSPORT_FAILED;
  } else if (port->count == USMP_WS_TX_SLOTS) {
    result = USMP_SEND_NO_ROOM;
  } else {
    unsigned place = (port->first + port->count) % USMP_WS_TX_SLOTS;
    memcpy(port->queue[place].bytes, message, len);
    port->queue[place].len = len;
    port->count++;
  }
  usmp_ws_port_unlock(ws);
  if (result == 0) lws_cancel_service(port->context);
  return result;
}

void usmp_ws_port_resume(usmp_ws_t *ws)
{
  lws_cancel_service(ws->port.context);
}
