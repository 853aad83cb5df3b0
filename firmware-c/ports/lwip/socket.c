#include "socket.h"

#include <string.h>

static void note(void *context, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
  usmp_lwip_socket_t *s = context;

  (void)pcb;
  if (s->count == USMP_LWIP_QUEUE) {
    pbuf_free(p);
    return;
  }
  s->queue[s->count].p = p;
  s->queue[s->count].port = port;
  memcpy(s->queue[s->count].ip, &ip_2_ip4(from)->addr, 4);
  s->count++;
}

int usmp_lwip_socket_open(usmp_lwip_socket_t *s, uint16_t port)
{
  memset(s, 0, sizeof *s);
  s->pcb = udp_new();
  if (!s->pcb) return USMP_ERR_UNREACHABLE;
  ip_set_option(s->pcb, SOF_REUSEADDR);
  if (udp_bind(s->pcb, IP4_ADDR_ANY, port) != ERR_OK) {
    usmp_lwip_socket_close(s);
    return USMP_ERR_UNREACHABLE;
  }
  udp_recv(s->pcb, note, s);
  return USMP_OK;
}

void usmp_lwip_socket_clear(usmp_lwip_socket_t *s)
{
  while (s->count > 0) pbuf_free(s->queue[--s->count].p);
}

void usmp_lwip_socket_close(usmp_lwip_socket_t *s)
{
  usmp_lwip_socket_clear(s);
  if (s->pcb) udp_remove(s->pcb);
  s->pcb = NULL;
}

int usmp_lwip_socket_send(usmp_lwip_socket_t *s, const uint8_t ip[4], uint16_t port, const uint8_t *bytes, size_t len)
{
  ip_addr_t to;
  struct pbuf *p = s->pcb ? pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM) : NULL;

  if (!p) return USMP_ERR_TRANSPORT_FAILED;
  IP_ADDR4(&to, ip[0], ip[1], ip[2], ip[3]);
  err_t err = pbuf_take(p, bytes, (u16_t)len);
  if (err == ERR_OK) err = udp_sendto(s->pcb, p, &to, port);
  pbuf_free(p);
  return err == ERR_OK ? USMP_OK : USMP_ERR_TRANSPORT_FAILED;
}

/* Until a datagram waits. False: the time is over. */
static bool await_datagram(usmp_lwip_socket_t *s, uint32_t wait_ms)
{
  uint32_t begin = usmp_port_millis();
  uint32_t elapsed = 0;

  usmp_lwip_poll(0);
  while (s->count == 0 && elapsed < wait_ms) {
    usmp_lwip_poll(wait_ms - elapsed);
    usmp_port_wdt_feed();
    elapsed = usmp_port_millis() - begin;
  }
  return s->count > 0;
}

size_t usmp_lwip_socket_receive(usmp_lwip_socket_t *s, uint8_t ip[4], uint16_t *port, uint8_t *bytes, size_t max_len,
                                uint32_t wait_ms)
{
  if (!await_datagram(s, wait_ms)) return 0;
  struct pbuf *p = s->queue[0].p;
  size_t len = pbuf_copy_partial(p, bytes, (u16_t)max_len, 0);
  if (ip) memcpy(ip, s->queue[0].ip, 4);
  if (port) *port = s->queue[0].port;
  pbuf_free(p);
  s->count--;
  memmove(&s->queue[0], &s->queue[1], s->count * sizeof s->queue[0]);
  return len;
}
