/* usmp-pair-rv32: one of two devices, on a chip without operating system: QEMU's RISC-V machine `virt` with a network card. Own id, the
   key of the pair and a seed are loaded next to the image, as examples/bare_qemu/README.md tells. The rest are words that come by
   semihosting: PEER_ID IP PREFIX_LENGTH QUERY_PORT PORT [HOST]. */
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "host.h"
#include "network.h"
#include "pair.h"
#include "random.h"
#include "usmp_lwip.h"

#define MAX_WORDS 6

/* ---- what pair.h asks of a program ---- */

int pair_listen(usmp_listener_t *listener, uint16_t port)
{
  int err = usmp_listener_udp_init(listener, port);
  return err < 0 ? err : port;
}

void pair_say(const char *line)
{
  host_say(line);
  host_say("\n");
}

void pair_measure(char *text, size_t size)
{
  static const char words[] = " from rv32";
  static uint32_t count;
  char digits[10];
  size_t len = 0, at = strlen("hello ");
  uint32_t number = ++count;

  for (; number > 0; number /= 10) digits[len++] = (char)('0' + number % 10);
  if (size < at + len + sizeof words) return;
  memcpy(text, "hello ", at);
  while (len > 0) text[at++] = digits[--len];
  memcpy(text + at, words, sizeof words);
}

/* ---- words ---- */

static size_t split(char *text, char *words[MAX_WORDS])
{
  size_t count = 0;

  while (*text && count < MAX_WORDS) {
    words[count++] = text;
    text += strcspn(text, " ");
    if (*text) *text++ = 0;
  }
  return count;
}

/* "02:c0:ff:ee:00:01" */
static bool read_id(const char *text, uint8_t id[USMP_DEVICE_ID_LEN])
{
  if (strlen(text) != 3 * USMP_DEVICE_ID_LEN - 1) return false;
  for (size_t i = 0; i < USMP_DEVICE_ID_LEN; i++, text += 3) {
    char *end;
    id[i] = (uint8_t)strtoul(text, &end, 16);
    if (end != text + 2 || (*end != ':' && *end != 0)) return false;
  }
  return true;
}

static bool read_number(const char *text, unsigned long max, unsigned long *out)
{
  char *end;
  *out = strtoul(text, &end, 10);
  return end != text && *end == 0 && *out > 0 && *out <= max;
}

static bool start_network(const char *ip_text, const char *prefix_text)
{
  unsigned long prefix;
  uint8_t ip[4], mask[4];

  if (usmp_discovery_parse_ip(ip_text, ip) < 0 || !read_number(prefix_text, 30, &prefix)) return false;
  uint32_t bits = UINT32_MAX << (32 - prefix);
  for (size_t i = 0; i < 4; i++) mask[i] = (uint8_t)(bits >> (24 - 8 * i));
  return board_network_init(ip, mask) == 0;
}

static bool read_words(size_t count, char *const words[MAX_WORDS], pair_config_t *config, usmp_discovery_address_t *host)
{
  unsigned long query_port, port;

  if (count < 5 || !read_id(words[0], config->peer_id)) return false;
  if (!read_number(words[3], UINT16_MAX, &query_port) || !read_number(words[4], UINT16_MAX, &port)) return false;
  config->query_port = (uint16_t)query_port;
  config->port = (uint16_t)port;
  config->hosts = host;
  config->host_count = count - 5;
  host->port = config->query_port;
  return count == 5 || usmp_discovery_parse_ip(words[5], host->ip) == 0;
}

int main(void)
{
  static pair_config_t config;
  static usmp_discovery_address_t host;
  char text[128], *words[MAX_WORDS];

  board_init();
  const board_identity_t *identity = board_identity();
  if (!identity || board_random_init(identity->seed) < 0 || !host_words(text, sizeof text)) return EXIT_FAILURE;
  memcpy(config.own_id, identity->device_id, sizeof config.own_id);
  memcpy(config.key, identity->psk, sizeof config.key);
  if (!read_words(split(text, words), words, &config, &host) || !start_network(words[1], words[2])) {
    host_say("usage: PEER_ID IP PREFIX_LENGTH QUERY_PORT PORT [HOST], and a network card; see examples/pair/bare.c\n");
    return EXIT_FAILURE;
  }
  int err = pair_run(&config);
  host_say(usmp_err_name(err));
  host_say("\n");
  return EXIT_FAILURE;
}
