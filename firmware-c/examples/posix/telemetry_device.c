/* A device that sends what it measures on the machine it runs on, ten times a second, and connects again when it loses
   its gateway. Arguments: host, port, device id, file with the PSK in hexadecimal. Runs until it is told to end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmp.h"
#include "usmp_posix.h"

#define INTERVAL_MS 100
#define FIRST_BACKOFF_MS 500
#define LONGEST_BACKOFF_MS 30000
#define KEEPALIVE_MS 15000
#define MAX_PSK 64
#define READING_SIZE 200

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
  (void)number;
  told_to_end = 1;
}

/* Hexadecimal digits up to the end of the line. The length, or 0. */
static size_t read_psk(const char *path, uint8_t psk[MAX_PSK])
{
  FILE *file = fopen(path, "r");
  unsigned byte;
  size_t len = 0;

  if (!file) return 0;
  while (len < MAX_PSK && fscanf(file, "%2x", &byte) == 1) psk[len++] = (uint8_t)byte;
  fclose(file);
  return len;
}

static bool read_number(const char *path, const char *format, double *value)
{
  FILE *file = fopen(path, "r");

  if (!file) return false;
  bool found = fscanf(file, format, value) == 1;
  fclose(file);
  return found;
}

/* "Name:   123 kB" in /proc/meminfo, in MiB; 0 if it is not there. */
static long read_memory(const char *name)
{
  char line[128];
  long kib = 0;
  FILE *file = fopen("/proc/meminfo", "r");

  if (!file) return 0;
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
      kib = strtol(line + strlen(name) + 1, NULL, 10);
      break;
    }
  }
  fclose(file);
  return kib / 1024;
}

static uint16_t measure(unsigned long n, char text[READING_SIZE])
{
  double load = 0;
  double temperature = 0;
  long total = read_memory("MemTotal");
  long used = total - read_memory("MemAvailable");

  read_number("/proc/loadavg", "%lf", &load);
  int len = snprintf(text, READING_SIZE, "{\"n\":%lu,\"load\":%.2f,\"memory\":%ld,\"memoryTotal\":%ld", n, load, used, total);
  if (read_number("/sys/class/thermal/thermal_zone0/temp", "%lf", &temperature)) {
    len += snprintf(text + len, READING_SIZE - (size_t)len, ",\"temperature\":%.1f", temperature / 1000);
  }
  len += snprintf(text + len, READING_SIZE - (size_t)len, "}");
  return (uint16_t)len;
}

/* Sends until the session or the program ends. */
static usmp_err_t report(usmp_t *ctx)
{
  char text[READING_SIZE];
  uint8_t command[USMP_MAX_DATA_LEN];

  for (unsigned long n = 1; !told_to_end; n++) {
    usmp_err_t sent = usmp_send(ctx, (const uint8_t *)text, measure(n, text));
    if (sent != 0) return sent;
    /* The wait between two readings; meanwhile the gateway's PINGs are answered. */
    int got = usmp_recv(ctx, command, sizeof command);
    if (got < 0) return got;
  }
  return 0;
}

int main(int argc, char **argv)
{
  uint8_t device_id[USMP_DEVICE_ID_LEN];
  uint8_t psk[MAX_PSK];
  usmp_t ctx = {0};
  usmp_transport_t transport = {0};
  uint32_t backoff_ms = FIRST_BACKOFF_MS;

  if (argc != 5 || usmp_posix_parse_device_id(argv[3], device_id) != 0) {
    fprintf(stderr, "usage: telemetry-device HOST PORT AA:BB:CC:DD:EE:FF PSK_FILE\n");
    return 2;
  }
  ctx.psk = psk;
  ctx.psk_len = read_psk(argv[4], psk);
  ctx.keepalive_ms = KEEPALIVE_MS;
  ctx.recv_timeout_ms = INTERVAL_MS;
  usmp_posix_set_device_id(device_id);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);

  usmp_err_t error = usmp_transport_tcp_init(&transport, argv[1], atoi(argv[2]));
  if (error == 0) error = usmp_connect(&ctx, &transport);
  while (!told_to_end) {
    if (error == 0) {
      backoff_ms = FIRST_BACKOFF_MS;
      error = report(&ctx);
    }
    if (told_to_end) break;
    fprintf(stderr, "device: %s; again in %u ms\n", usmp_err_name(error), (unsigned)backoff_ms);
    usmp_port_delay_ms(backoff_ms);
    if (backoff_ms < LONGEST_BACKOFF_MS) backoff_ms *= 2;
    error = usmp_reconnect(&ctx);
  }
  usmp_close(&ctx);
  return 0;
}
