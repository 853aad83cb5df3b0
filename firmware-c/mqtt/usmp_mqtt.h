/* USMP over an MQTT broker (specification, section 11): the device's end. Frames travel as datagrams at QoS 0, never retained:
   whoever may publish can put bytes in, lose them or repeat them, and ends no session by that.

     static usmp_mqtt_t mqtt;                            one a device; it holds the connection to the broker
     const usmp_mqtt_config_t config = {.url = "mqtt://broker:1883", .site = "home"};
     usmp_mqtt_start(&mqtt, &config);                    once; it connects, and connects again, by itself

     for (;;) {                                          sessions, one after the other
       int err = usmp_transport_mqtt_init(&transport, &mqtt);
       if (err == 0) err = usmp_connect(&ctx, &transport);
       while (err == 0) {
         err = usmp_mqtt_follow(&ctx);
         if (err == 0 && (len = usmp_recv(&ctx, message, sizeof message)) < 0) err = len;
         ...
       }
       usmp_close(&ctx);                                 the connection to the broker stays
       usmp_mqtt_pause(&mqtt, pause_ms);
       while (!usmp_mqtt_due(&mqtt, 1000)) continue;     earlier, when the gateway says so
     }

   A session outlives the connection to the broker by 30 s and more. What the broker says is a hint and proves nothing: it
   can make a device try again, once a second at most, and ask for a sign of life once in 5 s; it ends nothing by itself.

   One thread calls usmp_mqtt_pause, _due and _follow, and makes sessions. MQTT runs in a thread of its own. */
#ifndef USMP_MQTT_H
#define USMP_MQTT_H

#include "usmp.h"
#include "usmp_mqtt_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Datagrams that may wait for the session, 494 bytes each. More are dropped, and repeated by the gateway. */
#ifndef USMP_MQTT_SLOTS
#define USMP_MQTT_SLOTS 4
#endif
#if USMP_MQTT_SLOTS < 2 || USMP_MQTT_SLOTS > 16
#error "USMP_MQTT_SLOTS is 2 to 16"
#endif
#define USMP_MQTT_SITE_MAX 32
#define USMP_MQTT_TOPIC_SIZE 64
#define USMP_MQTT_GATEWAYS 4 /* nodes of the site whose presence is remembered */

typedef struct usmp_mqtt_config {
  const char *url;      /* mqtt://HOST, mqtts://HOST, with :PORT or without (1883, 8883) */
  const char *site;     /* 1 to 32 letters, digits, '-' and '_'; short, as it is in each topic */
  const char *username; /* null: none */
  const char *password;
  /* mqtts. On a host the paths of PEM files; on ESP-IDF the PEM text itself, which must stay valid. ca null: the system's
     certificates, or ESP-IDF's bundle. certificate and key: both or none. */
  const char *ca;
  const char *certificate;
  const char *key;
} usmp_mqtt_config_t;

typedef struct usmp_mqtt_gateway {
  uint32_t node; /* a hash of its name */
  uint32_t boot; /* changes with each start of the gateway */
  bool up;
} usmp_mqtt_gateway_t;

/* Private: what came from the broker, and what follows from it (mqtt_link.c). */
typedef struct usmp_mqtt_link {
  char up[USMP_MQTT_TOPIC_SIZE];
  char down[USMP_MQTT_TOPIC_SIZE];
  char lwt[USMP_MQTT_TOPIC_SIZE];
  char presence[USMP_MQTT_TOPIC_SIZE]; /* a filter: of all gateways of the site */
  char client_id[24];
  struct {
    uint16_t len;
    uint8_t bytes[USMP_MAX_FRAME_SIZE];
  } slots[USMP_MQTT_SLOTS];
  uint8_t first;
  uint8_t count;
  uint32_t dropped; /* datagrams without room, retained, or of a wrong size */
  usmp_mqtt_gateway_t gateways[USMP_MQTT_GATEWAYS];
  uint8_t gateway_count;
  uint8_t gateway_next; /* whose place the next new one takes when all are taken */
  bool hinted;          /* "try now" came since the last attempt began */
  bool called;          /* since then a gateway was started, or the broker came back */
  bool doubted;         /* since then a gateway was started: the session may be gone there */
  bool checking;        /* a sign of life was asked for, and nothing has come yet */
  bool checked;         /* once or more; checked_at says when last */
  uint32_t called_at;
  uint32_t checked_at;
  uint32_t attempted_at;
  uint32_t paused_at;
  uint32_t pause_ms;
  uint32_t jitter_ms;
} usmp_mqtt_link_t;

/* Static or for as long as the program runs: some 2.5 KB at four slots. All of it is private. */
typedef struct usmp_mqtt {
  usmp_mqtt_link_t link;
  usmp_mqtt_port_t port;
  const char *problem;
  bool connected; /* and subscribed */
  bool open;      /* a session uses it */
} usmp_mqtt_t;

/* Starts the MQTT client with the device id of usmp_port_get_device_id. It goes on trying for as long as it runs, so this does
   not wait for the broker, but perhaps for its name (DNS). The texts of config are copied, or stay valid as said there. Returns 0, USMP_ERR_INVALID_ARGUMENT
   (url, site, files that cannot be read, no device id), USMP_ERR_RANDOM_FAILED, or USMP_ERR_UNREACHABLE (no memory, no thread). */
int usmp_mqtt_start(usmp_mqtt_t *mqtt, const usmp_mqtt_config_t *config);
/* Leaves the broker, and ends the client; what was sent leaves first, in a second at most. No session may use it any more. */
void usmp_mqtt_stop(usmp_mqtt_t *mqtt);
/* Why there is no connection to the broker, for people; "" when there is one. */
const char *usmp_mqtt_problem(usmp_mqtt_t *mqtt);

/* A transport of kind datagram for one session at a time. Waits 5 s at most for the broker. Returns 0; USMP_ERR_UNREACHABLE: there is
   none now; USMP_ERR_INVALID_ARGUMENT. Its `close` leaves the connection to the broker, its `destroy` ends it. */
int usmp_transport_mqtt_init(usmp_transport_t *transport, usmp_mqtt_t *mqtt);

/* In a session, now and then: once a second or with each message. When the gateway was restarted, as far as the broker tells, this asks
   for a sign of life by usmp_ping; when nothing comes for 5 s, this or usmp_recv ends the session with TRANSPORT_FAILED, instead of after
   USMP_IDLE_MS. Does nothing with another transport. Returns 0 or what usmp_ping does: on datagrams that waits
   for the acknowledgement. */
usmp_err_t usmp_mqtt_follow(usmp_t *ctx);

/* After a session, or an attempt that failed: the next one is due in pause_ms. It is due at once when the gateway says "try now";
   within 2 s when it was restarted or the broker is back; after a minute or more while it says that it is down. Never twice in a second. */
void usmp_mqtt_pause(usmp_mqtt_t *mqtt, uint32_t pause_ms);
/* Waits up to wait_ms. True when the next attempt is due. */
bool usmp_mqtt_due(usmp_mqtt_t *mqtt, uint32_t wait_ms);

#ifdef __cplusplus
}
#endif
#endif
