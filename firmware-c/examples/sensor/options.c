#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key_file.h"
#include "publisher_key.h"
#include "usmp_discovery.h"
#include "usmp_posix.h"

#define EXIT_USAGE 2
#define MIN_PSK 16

static int usage(const char *what)
{
  fprintf(stderr,
          "usmp-sensor: %s\n"
          "usage: usmp-sensor --connect tcp:HOST:PORT | udp:HOST:PORT | find:[SITE][:PORT] | mqtt://HOST[:PORT] | "
          "mqtts://HOST[:PORT]\n"
          "                   --id AA:BB:CC:DD:EE:FF --psk-file FILE [--name NAME] [--interval SECONDS]\n"
          "       a broker:   [--site NAME] [--username NAME] [--password-file FILE] [--ca FILE] [--cert FILE --key FILE]\n"
          "       updates:    --slots FOLDER --publisher-key FILE [--confirm-within SECONDS], and started by usmp-loader\n"
          "FILE of --psk-file holds the key of this sensor: hex digits, or 32 raw bytes.\n",
          what);
  return EXIT_USAGE;
}

static bool read_port(const char *text, int *port)
{
  char *end;
  long number = strtol(text, &end, 10);

  *port = (int)number;
  return end != text && *end == 0 && number > 0 && number <= 65535;
}

/* "find:", "find:SITE" or "find:SITE:PORT", the port being that of queries. */
static bool read_search(const char *search, sensor_options_t *o)
{
  size_t len = strcspn(search, ":");

  o->carrier = SENSOR_FINDS;
  o->port = USMP_DISCOVERY_PORT;
  if (len >= sizeof o->host) return false;
  memcpy(o->host, search, len);
  o->find_site = o->host;
  return search[len] == 0 || read_port(search + len + 1, &o->port);
}

/* "tcp:HOST:PORT", "udp:HOST:PORT" or a search; a broker's address is read by usmp_mqtt_start. */
static bool read_address(const char *address, sensor_options_t *o)
{
  const char *host = address + 4;
  const char *last = strrchr(address, ':');

  o->connect = address;
  if (strncmp(address, "find:", 5) == 0) return read_search(address + 5, o);
  o->carrier = SENSOR_OVER_MQTT;
  if (strncmp(address, "mqtt://", 7) == 0 || strncmp(address, "mqtts://", 8) == 0) return true;
  o->carrier = strncmp(address, "udp:", 4) == 0 ? SENSOR_UDP : SENSOR_TCP;
  if (o->carrier == SENSOR_TCP && strncmp(address, "tcp:", 4) != 0) return false;
  if (last <= host || (size_t)(last - host) >= sizeof o->host) return false;
  memcpy(o->host, host, (size_t)(last - host));
  return read_port(last + 1, &o->port);
}

static bool read_name(const char *text, sensor_options_t *o)
{
  o->name = text;
  return text[0] && strlen(text) < SENSOR_NAME_SIZE;
}

static bool read_interval(const char *text, sensor_options_t *o)
{
  char *end;
  double seconds = strtod(text, &end);

  if (end == text || *end || !(seconds > 0 && seconds <= 3600)) return false;
  o->interval_ms = (uint32_t)(seconds * 1000);
  return o->interval_ms >= SENSOR_MIN_INTERVAL_MS;
}

static bool read_confirm_within(const char *text, sensor_options_t *o)
{
  char *end;
  double seconds = strtod(text, &end);

  if (end == text || *end || !(seconds >= 0.1 && seconds <= 86400)) return false;
  o->confirm_within_ms = (uint32_t)(seconds * 1000);
  return true;
}

/* The first line of the file. */
static bool read_password(const char *path, sensor_options_t *o)
{
  FILE *file = fopen(path, "r");

  if (!file) return false;
  setvbuf(file, NULL, _IONBF, 0);
  bool read = fgets(o->password, sizeof o->password, file) != NULL;
  fclose(file);
  o->password[strcspn(o->password, "\r\n")] = 0;
  return read && o->password[0];
}

static bool read_option(const char *name, const char *value, sensor_options_t *o, bool *has_id)
{
  if (strcmp(name, "--connect") == 0) return read_address(value, o);
  if (strcmp(name, "--id") == 0) return *has_id = usmp_posix_parse_device_id(value, o->device_id) == 0;
  if (strcmp(name, "--psk-file") == 0) return (o->psk_len = read_key_file(value, o->psk, sizeof o->psk)) >= MIN_PSK;
  if (strcmp(name, "--name") == 0) return read_name(value, o);
  if (strcmp(name, "--interval") == 0) return read_interval(value, o);
  if (strcmp(name, "--slots") == 0) return (o->slots = value)[0] != 0;
  if (strcmp(name, "--publisher-key") == 0) return o->has_publisher_key = read_publisher_key(value, o->publisher_key);
  if (strcmp(name, "--confirm-within") == 0) return read_confirm_within(value, o);
  if (strcmp(name, "--site") == 0) return (o->site = value)[0] != 0;
  if (strcmp(name, "--username") == 0) return (o->username = value)[0] != 0;
  if (strcmp(name, "--password-file") == 0) return read_password(value, o);
  if (strcmp(name, "--ca") == 0) return (o->ca = value)[0] != 0;
  if (strcmp(name, "--cert") == 0) return (o->certificate = value)[0] != 0;
  if (strcmp(name, "--key") == 0) return (o->key = value)[0] != 0;
  return false;
}

int sensor_read_options(int argc, char **argv, sensor_options_t *o)
{
  bool has_id = false;

  memset(o, 0, sizeof *o);
  o->name = "sensor in C";
  o->interval_ms = SENSOR_DEFAULT_INTERVAL_MS;
  o->site = "home";
  for (int i = 1; i < argc; i += 2) {
    errno = 0;
    if (i + 1 < argc && read_option(argv[i], argv[i + 1], o, &has_id)) continue;
    char what[192];
    snprintf(what, sizeof what, "%s is unknown, or its value is missing or wrong%s%s", argv[i], errno ? ": " : "",
             errno ? strerror(errno) : "");
    return usage(what);
  }
  if (!o->connect) return usage("--connect is missing: where the gateway is");
  if (!has_id) return usage("--id is missing: the device id of this sensor");
  if (!o->psk_len) return usage("--psk-file is missing: the key of this sensor");
  if (!o->slots != !o->has_publisher_key) return usage("--slots and --publisher-key go together");
  if (!o->certificate != !o->key) return usage("--cert and --key go together");
#ifndef SENSOR_OTA
  if (o->slots) return usage("updates are not in this build: install libsodium-dev and build again");
#endif
#ifndef SENSOR_MQTT
  if (o->carrier == SENSOR_OVER_MQTT) return usage("MQTT is not in this build: install libmosquitto-dev and build again");
#endif
  return 0;
}
