/* What comes from a broker, judged without an operating system: topics, the queue of datagrams, hints and presence. The caller
   locks; the time is an argument. */
#ifndef USMP_MQTT_LINK_H
#define USMP_MQTT_LINK_H

#include "usmp_mqtt.h"

typedef struct usmp_mqtt_address {
  char host[USMP_HOST_MAX];
  int port;
  bool tls;
} usmp_mqtt_address_t;

/* "mqtt://HOST:PORT". 0 or USMP_ERR_INVALID_ARGUMENT. */
int usmp_mqtt_parse_url(const char *url, usmp_mqtt_address_t *out);

/* Makes the topics and the client id. 0 or USMP_ERR_INVALID_ARGUMENT (site). `random` makes the client id one of its own, so that a
   broker does not throw out one of two devices that were given the same id: USMP decides that. */
int usmp_mqtt_link_init(usmp_mqtt_link_t *link, const char *site, const uint8_t device_id[USMP_DEVICE_ID_LEN],
                        const uint8_t random[2]);

/* A message came. True: somebody who waits should look again. */
bool usmp_mqtt_link_message(usmp_mqtt_link_t *link, const char *topic, size_t topic_len, const uint8_t *payload, size_t len,
                            bool retained, uint32_t now);

/* The oldest datagram; 0: there is none, or it does not fit and is gone. */
size_t usmp_mqtt_link_take(usmp_mqtt_link_t *link, uint8_t *out, size_t max_len);

/* An attempt to make a session begins: what came before is not for it. */
void usmp_mqtt_link_attempt(usmp_mqtt_link_t *link, uint32_t now);

/* The broker came back, or a gateway did: the next attempt is due within the jitter. */
void usmp_mqtt_link_call(usmp_mqtt_link_t *link, uint32_t now);

/* As usmp_mqtt_pause; jitter_ms spreads the devices that are called at the same moment. */
void usmp_mqtt_link_pause(usmp_mqtt_link_t *link, uint32_t pause_ms, uint32_t jitter_ms, uint32_t now);
/* Milliseconds until the next attempt is due; 0: now. */
uint32_t usmp_mqtt_link_due_in(const usmp_mqtt_link_t *link, uint32_t now);

/* In a session: true when the gateway should be asked for a sign of life now; it counts as asked then. */
bool usmp_mqtt_link_check(usmp_mqtt_link_t *link, uint32_t now);
/* True when it was asked, and nothing has come for too long. */
bool usmp_mqtt_link_is_silent(const usmp_mqtt_link_t *link, uint32_t now);

#endif
