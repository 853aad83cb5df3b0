/* usmp-pair: one of two devices, on this machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key_file.h"
#include "pair.h"
#include "usmp_posix.h"

#define EXIT_USAGE 2
#define MAX_HOSTS 4

static usmp_discovery_address_t hosts[MAX_HOSTS];

static int usage(const char *what)
{
  fprintf(stderr,
          "usmp-pair: %s\n"
          "usage: usmp-pair --id AA:BB:CC:DD:EE:FF --peer AA:BB:CC:DD:EE:FF --psk-file FILE\n"
          "                 [--port PORT] [--query-port PORT] [--host IP[:PORT]]...\n"
          "FILE holds the key of the pair: hex digits, or 32 raw bytes; both devices have the same one.\n"
          "The device with the lower id accepts, at --port or any; the other one searches, and asks each --host too.\n",
          what);
  return EXIT_USAGE;
}

static bool read_port(const char *text, uint16_t *port)
{
  char *end;
  long number = strtol(text, &end, 10);

  *port = (uint16_t)number;
  return end != text && *end == 0 && number > 0 && number <= UINT16_MAX;
}

static bool read_host(const char *text, pair_config_t *config)
{
  usmp_discovery_address_t *host = &hosts[config->host_count];
  char ip[USMP_DISCOVERY_IP_TEXT] = {0};
  size_t len = strcspn(text, ":");

  if (config->host_count == MAX_HOSTS || len >= sizeof ip) return false;
  memcpy(ip, text, len);
  config->host_count++;
  host->port = 0; /* that of all others, which may be read later */
  return usmp_discovery_parse_ip(ip, host->ip) == 0 && (text[len] == 0 || read_port(text + len + 1, &host->port));
}

static bool read_option(const char *name, const char *value, pair_config_t *config, unsigned *has)
{
  bool good = false;

  if (strcmp(name, "--id") == 0) *has |= (good = usmp_posix_parse_device_id(value, config->own_id) == 0) ? 1u : 0;
  else if (strcmp(name, "--peer") == 0) *has |= (good = usmp_posix_parse_device_id(value, config->peer_id) == 0) ? 2u : 0;
  else if (strcmp(name, "--psk-file") == 0)
    *has |= (good = read_key_file(value, config->key, sizeof config->key) == sizeof config->key) ? 4u : 0;
  else if (strcmp(name, "--port") == 0) good = read_port(value, &config->port);
  else if (strcmp(name, "--query-port") == 0) good = read_port(value, &config->query_port);
  else if (strcmp(name, "--host") == 0) good = read_host(value, config);
  return good;
}

/* ---- what pair.h asks of a program ---- */

int pair_listen(usmp_listener_t *listener, uint16_t port)
{
  int err = usmp_listener_udp_init(listener, "0.0.0.0", port);
  return err < 0 ? err : listener->port;
}

void pair_say(const char *line)
{
  puts(line);
  fflush(stdout);
}

void pair_measure(char *text, size_t size)
{
  static unsigned count;
  snprintf(text, size, "hello %u from a host", ++count);
}

int main(int argc, char **argv)
{
  pair_config_t config = {.query_port = USMP_DISCOVERY_PORT, .hosts = hosts};
  unsigned has = 0;

  for (int i = 1; i < argc; i += 2) {
    errno = 0;
    if (i + 1 < argc && read_option(argv[i], argv[i + 1], &config, &has)) continue;
    char what[192];
    snprintf(what, sizeof what, "%s is unknown, or its value is missing or wrong%s%s", argv[i], errno ? ": " : "",
             errno ? strerror(errno) : "");
    return usage(what);
  }
  if (has != 7) return usage("--id, --peer and --psk-file are needed");
  for (size_t i = 0; i < config.host_count; i++) {
    if (hosts[i].port == 0) hosts[i].port = config.query_port;
  }
  int err = pair_run(&config);
  if (err == USMP_ERR_INVALID_ARGUMENT) return usage("the two ids must differ");
  fprintf(stderr, "usmp-pair: %s: is the port free, and is there a network?\n", usmp_err_name(err));
  return EXIT_FAILURE;
}
