/* What a port of MQTT supplies: mosquitto/ for a host, esp_idf/ for a chip. */
#ifndef USMP_MQTT_PORT_FUNCTIONS_H
#define USMP_MQTT_PORT_FUNCTIONS_H

#include "mqtt_link.h"

/* Starts the client: it connects and reconnects by itself, with the will on link.lwt (QoS 0, empty, not retained), subscribes link.down and
   link.presence at QoS 0, and calls the two functions below. 0, USMP_ERR_INVALID_ARGUMENT or USMP_ERR_UNREACHABLE. */
int usmp_mqtt_port_start(usmp_mqtt_t *mqtt, const usmp_mqtt_config_t *config, const usmp_mqtt_address_t *address);
void usmp_mqtt_port_stop(usmp_mqtt_t *mqtt);
/* Publishes to link.up at QoS 0, not retained. Called without the lock, while `connected`. 0, or less than zero: lost. */
int usmp_mqtt_port_publish(usmp_mqtt_t *mqtt, const uint8_t *data, size_t len);

void usmp_mqtt_port_lock(usmp_mqtt_t *mqtt);
void usmp_mqtt_port_unlock(usmp_mqtt_t *mqtt);
/* Called with the lock, which it gives away while it waits: until usmp_mqtt_port_wake, or for wait_ms, or shorter. */
void usmp_mqtt_port_wait(usmp_mqtt_t *mqtt, uint32_t wait_ms);
void usmp_mqtt_port_wake(usmp_mqtt_t *mqtt); /* with the lock */

/* ---- for the port, called from its thread, without the lock ---- */

/* problem: a text that stays valid, told when there is no connection. */
void usmp_mqtt_state_changed(usmp_mqtt_t *mqtt, bool connected, const char *problem);
void usmp_mqtt_message_came(usmp_mqtt_t *mqtt, const char *topic, size_t topic_len, const void *payload, size_t len,
                            bool retained);

#endif
