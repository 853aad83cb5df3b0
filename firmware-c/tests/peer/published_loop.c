/* Firmware for the published component: its own five hooks, and the main loop of its examples, which polls `available`,
   calls usmp_recv only then, and ticks, with a pause of 100 ms. An echo server is the other end.

   First it idles for two keepalives (PONGs come, and no message), then it sends a few messages at once, whose echoes come
   in one piece, without any further traffic to help them along; then it does that again in a second session.
   usage: published-loop tcp|udp HOST PORT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "usmp.h"
#include "usmp_frame.h"
#include "usmp_handshake.h"
#include "usmp_port.h"
#include "usmp_transport.h"

#define KEEPALIVE_MS 400
#define IDLE_TURNS 12 /* more than two keepalives */
#define BURST 5
#define MOST_TURNS 150

static const char *TAG = "LOOP";

/* ---- the five hooks ---- */

int usmp_port_get_device_id(uint8_t *out, size_t len)
{
  static const uint8_t id[6] = {0x02, 0x10, 0x20, 0x30, 0x40, 0x50};

  if (len < sizeof id) return -1;
  memcpy(out, id, sizeof id);
  return 0;
}

int usmp_port_random(uint8_t *out, size_t len)
{
  return getrandom(out, len, 0) == (ssize_t)len ? 0 : -1;
}

void usmp_port_delay_ms(uint32_t ms)
{
  struct timespec ts = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000L};
  nanosleep(&ts, NULL);
}

uint32_t usmp_port_millis(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint32_t)((uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u);
}

void usmp_port_log(char level, const char *tag, const char *msg)
{
  printf("%c %s %s\n", level, tag, msg);
}

/* ---- the loop ---- */

static unsigned received;

static usmp_err_t loop_once(usmp_t *ctx)
{
  usmp_port_delay_ms(100);
  if (ctx->transport.available && ctx->transport.available(&ctx->transport) > 0) {
    uint8_t rx_buf[USMP_MAX_DATA_LEN * USMP_MAX_FRAMES + 1];
    int n = usmp_recv(ctx, rx_buf, USMP_MAX_DATA_LEN * USMP_MAX_FRAMES);
    if (n > 0) {
      rx_buf[n] = '\0';
      printf("received %s\n", (char *)rx_buf);
      received++;
    }
  }
  return usmp_keepalive_tick(ctx);
}

static int fail(const usmp_t *ctx, const char *what)
{
  printf("%s: %s, after %u messages\n", what, usmp_strerror(ctx->last_err), received);
  return 1;
}

static int idle(usmp_t *ctx)
{
  ctx->keepalive_ms = KEEPALIVE_MS;
  for (int i = 0; i < IDLE_TURNS; i++) {
    if (loop_once(ctx) != 0) return fail(ctx, "lost while idle");
  }
  return 0;
}

/* Nothing but the messages and their echoes is on the line. */
static int burst(usmp_t *ctx)
{
  unsigned expected = received + BURST;

  ctx->keepalive_ms = 0;
  for (int i = 0; i < BURST; i++) {
    char text[32];
    snprintf(text, sizeof text, "message %d", i);
    if (usmp_send(ctx, (const uint8_t *)text, (uint16_t)strlen(text)) != 0) return fail(ctx, "send failed");
  }
  for (int i = 0; i < MOST_TURNS && received < expected; i++) {
    if (loop_once(ctx) != 0) return fail(ctx, "lost in a burst");
  }
  return received == expected ? 0 : fail(ctx, "messages of a burst do not come");
}

static int session(bool over_udp, const char *host, int port)
{
  static const uint8_t psk[] = "a pre-shared key for a test, 32b";
  static usmp_tcp_ctx_t tcp;
  static usmp_udp_ctx_t udp;
  usmp_t ctx; /* not zeroed: the published component clears it in usmp_connect */
  usmp_transport_t transport = {0};

  memset(&ctx, 0xa5, sizeof ctx);
  ctx.psk = psk;
  ctx.psk_len = sizeof psk - 1;
  ctx.keepalive_ms = KEEPALIVE_MS;
  int err = over_udp ? usmp_transport_udp_init_static(&transport, &udp, host, port)
                     : usmp_transport_tcp_init_static(&transport, &tcp, host, port);
  if (err != 0) return 1;
  if (usmp_connect(&ctx, &transport) != 0) return fail(&ctx, "no session");
  if (idle(&ctx) || burst(&ctx)) return 1;
  usmp_close(&ctx);
  if (transport.destroy) transport.destroy(&transport);
  return 0;
}

int main(int argc, char **argv)
{
  if (argc != 4) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  USMP_LOGI(TAG, usmp_get_version());
  bool over_udp = strcmp(argv[1], "udp") == 0;
  for (int i = 0; i < 2; i++) {
    if (session(over_udp, argv[2], atoi(argv[3])) != 0) return 1;
  }
  puts("done");
  return 0;
}
