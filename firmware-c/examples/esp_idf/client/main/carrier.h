/* How this device reaches its gateway: TCP, UDP, a WebSocket or an MQTT broker, as menuconfig says. */
#ifndef CARRIER_H
#define CARRIER_H

#include "usmp.h"

int carrier_start(void);                       /* once. 0, or less than zero */
int carrier_open(usmp_transport_t *transport); /* for a new session. 0, or less than zero */
int carrier_follow(usmp_t *session);           /* in a session, now and then. 0, or why it ended */
void carrier_pause(uint32_t pause_ms);         /* until the next attempt */

#endif
