/* What the transport and the relay's peer share: one WebSocket, dialled and closed. */
#ifndef USMP_WS_TRANSPORT_H
#define USMP_WS_TRANSPORT_H

#include "ws_port.h"

/* Reads the configuration, and makes the locks when they are not made yet. 0, USMP_ERR_INVALID_ARGUMENT or USMP_ERR_UNREACHABLE. */
int usmp_ws_configure(usmp_ws_t *ws, const usmp_ws_config_t *config, const char *subprotocol);
/* Opens the WebSocket, which begins in `phase`. 0, USMP_ERR_INVALID_ARGUMENT or USMP_ERR_UNREACHABLE. */
int usmp_ws_dial(usmp_ws_t *ws, usmp_ws_phase_t phase);
/* A second call does nothing. */
void usmp_ws_hang_up(usmp_ws_t *ws, uint16_t status);
/* Closes, and releases the locks. */
void usmp_ws_release(usmp_ws_t *ws);
/* A transport over the WebSocket as it is, without `reconnect`. */
void usmp_ws_as_transport(usmp_transport_t *transport, usmp_ws_t *ws);

#endif
