/* The program that firmware for the published component is made of, on the host: connect, greet, keep alive, connect
   again when the connection is lost. Arguments: server, port, and (for tests) how many seconds to run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmp.h"
#include "usmp_transport.h"

static int greet(usmp_t *ctx)
{
  static const char hello[] = "hello encrypted world";
  uint8_t reply[USMP_MAX_DATA_LEN];

  if (usmp_send(ctx, (const uint8_t *)hello, (uint16_t)strlen(hello)) != 0) return -1;
  int len = 0;
  for (int tries = 0; len == 0 && tries < 20; tries++) len = usmp_recv(ctx, reply, sizeof reply); /* half a second each */
  if (len <= 0) return -1;
  printf("reply: %.*s\n", len, (const char *)reply);
  fflush(stdout);
  return 0;
}

int main(int argc, char **argv)
{
  static const uint8_t psk[] = "usmp-dev-psk-change-me-before-prod";
  const char *server = argc > 1 ? argv[1] : "127.0.0.1";
  int port = argc > 2 ? atoi(argv[2]) : USMP_DEFAULT_PORT;
  int seconds = argc > 3 ? atoi(argv[3]) : -1;
  usmp_t ctx = {0};
  usmp_transport_t transport = {0};

  ctx.psk = psk;
  ctx.psk_len = sizeof psk - 1;
  if (usmp_transport_tcp_init(&transport, server, port) != 0) return 1;
  if (usmp_connect(&ctx, &transport) != 0) return 1;
  ctx.keepalive_ms = 15000;
  if (greet(&ctx) != 0) return 1;

  while (seconds < 0 || seconds-- > 0) {
    usmp_port_delay_ms(1000);
    if (usmp_keepalive_tick(&ctx) == 0) continue;
    uint32_t backoff_ms = 500;
    while (usmp_reconnect(&ctx) != 0) {
      usmp_port_delay_ms(backoff_ms);
      if (backoff_ms < 30000) backoff_ms *= 2;
    }
    if (greet(&ctx) != 0) printf("greeting after reconnect failed\n");
  }
  usmp_close(&ctx);
  return 0;
}
