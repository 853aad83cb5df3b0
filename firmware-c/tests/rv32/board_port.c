#include "board_port.h"

#include <string.h>

#include "board.h"
#include "host.h"
#include "random.h"
#include "usmp/crypto_bearssl.h"

/* ---- usmp_port.h ---- */

int usmp_port_get_device_id(uint8_t *out, size_t len)
{
  const board_identity_t *identity = board_identity();

  if (!identity || len != sizeof identity->device_id) return -1;
  memcpy(out, identity->device_id, len);
  return 0;
}

int usmp_port_random(uint8_t *out, size_t len)
{
  return board_random(NULL, out, len);
}

uint32_t usmp_port_millis(void)
{
  return board_millis();
}

void usmp_port_delay_ms(uint32_t ms)
{
  uint32_t begin = board_millis();
  while (board_millis() - begin < ms) continue;
}

void usmp_port_wdt_feed(void) {}

void usmp_port_log(char level, const char *tag, const char *msg)
{
  const char head[] = {'l', 'o', 'g', ' ', level, ' ', 0};
  host_say(head);
  host_say(tag);
  host_say(": ");
  host_say(msg);
  host_say("\n");
}

const usmp_crypto_t *usmp_port_crypto(void)
{
  return &usmp_crypto_bearssl;
}

/* ---- the UART as a stream or serial line ---- */

static int uart_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  (void)t;
  for (size_t done = 0; done < len;) done += board_uart_write(data + done, len - done);
  return (int)len;
}

static int uart_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  size_t got = board_uart_read(buf, max_len);
  if (got > 0) return (int)got;
  board_idle(t->wait_ms);
  return (int)board_uart_read(buf, max_len);
}

/* ---- the UART as a carrier of datagrams ---- */

static int datagram_send(usmp_transport_t *t, const uint8_t *data, size_t len)
{
  const uint8_t head[2] = {(uint8_t)(len >> 8), (uint8_t)len};
  uart_send(t, head, sizeof head);
  return uart_send(t, data, len);
}

/* A datagram that has begun comes to its end: who carries it writes it whole. */
static uint8_t next_byte(void)
{
  uint8_t byte;
  while (board_uart_read(&byte, 1) == 0) continue;
  return byte;
}

static int datagram_recv(usmp_transport_t *t, uint8_t *buf, size_t max_len)
{
  uint8_t high;

  if (uart_recv(t, &high, 1) == 0) return 0;
  size_t len = (size_t)high << 8 | next_byte();
  for (size_t i = 0; i < len; i++) {
    uint8_t byte = next_byte();
    if (i < max_len) buf[i] = byte;
  }
  return len > max_len ? 0 : (int)len; /* none of ours is so long */
}

void board_transport(usmp_transport_t *transport, usmp_kind_t kind)
{
  bool datagrams = kind == USMP_KIND_DATAGRAM;

  memset(transport, 0, sizeof *transport);
  transport->kind = kind;
  transport->send = datagrams ? datagram_send : uart_send;
  transport->recv = datagrams ? datagram_recv : uart_recv;
}

/* ---- servers ---- */

static int line_accept(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  (void)wait_ms; /* usmp_accept waits for the HELLO itself */
  board_transport(peer, (usmp_kind_t)listener->port);
  return 1;
}

/* Lets a client through that has the cookie; all datagrams come from one place. */
static int datagram_accept(usmp_listener_t *listener, usmp_transport_t *peer, uint32_t wait_ms)
{
  uint8_t datagram[sizeof listener->first + 1];
  usmp_hello_retry_t answer;

  board_transport(peer, USMP_KIND_DATAGRAM);
  peer->wait_ms = wait_ms;
  int len = peer->recv(peer, datagram, sizeof datagram);
  if (len == 0) return 0;
  int gate = usmp_verify_hello_cookie(&listener->issuer, peer->peer_address, sizeof peer->peer_address, board_millis() / 1000u,
                                      datagram, (size_t)len, &answer);
  if (gate == 0) {
    peer->send(peer, answer.utack, USMP_UTACK_SIZE);
    peer->send(peer, answer.retry, sizeof answer.retry);
  }
  if (gate != 1) return 0;
  memcpy(listener->first, datagram, (size_t)len);
  listener->first_len = (size_t)len;
  return 1;
}

void board_listener(usmp_listener_t *listener, usmp_kind_t kind)
{
  memset(listener, 0, sizeof *listener);
  listener->accept = kind == USMP_KIND_DATAGRAM ? datagram_accept : line_accept;
  listener->port = (int)kind;
}
