/* usmp-peer-rv32: one end of the matrix of packages/conformance, on a chip without operating system. Its options come by
   semihosting: ROLE KIND SUITE [rekey]; its words leave by it, as packages/conformance/matrix/README.md has them.
   Identity, PSK and seed are loaded next to the image, as examples/bare_qemu/README.md tells. */
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "board_port.h"
#include "exchange.h"
#include "host.h"
#include "random.h"

static const uint16_t sizes[] = {0, 1, 452, 453, 1808};
#define SIZES (sizeof sizes / sizeof *sizes)

typedef struct options {
  bool server;
  usmp_kind_t kind;
  uint8_t suite;
  bool rekey;
} options_t;

static void say(const char *word, const char *detail)
{
  host_say(word);
  host_say(" ");
  host_say(detail);
  host_say("\n");
}

/* False: no such word. */
static bool read_option(const char *word, options_t *o)
{
  if (strcmp(word, "client") == 0) return true;
  if (strcmp(word, "server") == 0) return o->server = true;
  if (strcmp(word, "rekey") == 0) return o->rekey = true;
  if (strcmp(word, "tcp") == 0) o->kind = USMP_KIND_STREAM;
  else if (strcmp(word, "udp") == 0) o->kind = USMP_KIND_DATAGRAM;
  else if (strcmp(word, "serial") == 0) o->kind = USMP_KIND_SERIAL;
  else if (strcmp(word, "aes") == 0) o->suite = USMP_CIPHER_AES256_GCM;
  else if (strcmp(word, "chacha") == 0) o->suite = USMP_CIPHER_CHACHA20_POLY1305;
  else return false;
  return true;
}

/* Words with one space between. */
static bool read_options(char *words, options_t *o)
{
  *o = (options_t){0};
  for (char *word = words, *end; *word; word = end) {
    end = word + strcspn(word, " ");
    if (*end) *end++ = 0;
    if (!read_option(word, o)) return false;
  }
  return o->suite != 0;
}

static void say_connected(const usmp_t *ctx)
{
  static const char digits[] = "0123456789abcdef";
  char text[2 * USMP_SESSION_ID_LEN + 1] = {0};

  for (size_t i = 0; i < USMP_SESSION_ID_LEN; i++) {
    text[2 * i] = digits[ctx->session_id[i] >> 4];
    text[2 * i + 1] = digits[ctx->session_id[i] & 15];
  }
  say("connected", text);
}

/* What a client does with its session; 0, or why it ended. */
static int run_exchange(usmp_t *ctx, const options_t *o)
{
  const exchange_plan_t first = {.count = SIZES, .sizes = sizes, .size_count = SIZES, .ping = true};
  const exchange_plan_t second = {.count = SIZES, .sizes = sizes, .size_count = SIZES};

  int err = exchange_messages(ctx, &first);
  if (err < 0) return err;
  say("echoed", "5");
  if (!o->rekey) return USMP_OK;
  err = usmp_rekey(ctx);
  if (err == USMP_OK) err = exchange_messages(ctx, &second);
  if (err < 0) return err;
  say("rekeyed", "");
  return USMP_OK;
}

static int use_session(usmp_t *ctx, const options_t *o)
{
  say_connected(ctx);
  int err = o->server ? exchange_echo(ctx) : run_exchange(ctx, o);
  usmp_close(ctx);
  return err < 0 ? err : USMP_ERR_CLOSED;
}

static int run_client(const options_t *o)
{
  const board_identity_t *identity = board_identity();
  usmp_t ctx = {
    .psk = identity->psk,
    .psk_len = sizeof identity->psk,
    .keepalive_ms = USMP_KEEPALIVE_MS,
    .cipher_suite = o->suite,
  };
  usmp_transport_t line;

  board_transport(&line, o->kind);
  int err = usmp_connect(&ctx, &line);
  return err < 0 ? err : use_session(&ctx, o);
}

/* The one device that it serves has the id and the PSK that were loaded. */
static int find_psk(void *context, const uint8_t device_id[USMP_DEVICE_ID_LEN], usmp_credential_t *found)
{
  const board_identity_t *identity = context;

  if (memcmp(device_id, identity->device_id, USMP_DEVICE_ID_LEN) != 0) return USMP_ERR_UNKNOWN_DEVICE;
  found->psk = identity->psk;
  found->psk_len = sizeof identity->psk;
  return USMP_OK;
}

static int run_server(const options_t *o)
{
  usmp_t ctx = {.keepalive_ms = USMP_KEEPALIVE_MS, .cipher_suite = o->suite};
  usmp_listener_t listener;

  board_listener(&listener, o->kind);
  int err = usmp_listen(&listener, find_psk, (void *)(uintptr_t)board_identity());
  if (err < 0) return err;
  say("listening", "0");
  do {
    err = usmp_accept(&listener, &ctx, 1000);
  } while (err == USMP_ERR_NOT_CONNECTED || err == USMP_ERR_HANDSHAKE_TIMEOUT); /* nobody has come yet */
  return err < 0 ? err : use_session(&ctx, o);
}

int main(void)
{
  char words[64];
  options_t o;

  board_init();
  const board_identity_t *identity = board_identity();
  if (!identity || board_random_init(identity->seed) < 0 || !host_words(words, sizeof words) || !read_options(words, &o)) {
    host_say("log usage: ROLE KIND SUITE [rekey], and an identity; see tests/rv32/peer.c\n");
    return EXIT_FAILURE;
  }
  int err = o.server ? run_server(&o) : run_client(&o);
  say("closed", usmp_err_name(err));
  return err == USMP_ERR_CLOSED ? EXIT_SUCCESS : EXIT_FAILURE;
}
