/* Signed updates of this device: publisher's key and product out of menuconfig, version out of the application's description. */
#ifndef EXAMPLE_UPDATES_H
#define EXAMPLE_UPDATES_H

#include "usmp.h"
#include "usmp_ota.h"

/* Early, after NVS is up: the time of an image on trial runs from here. 0, or less than zero with a log line that says what to do. */
int updates_start(usmp_rpc_t *rpc, usmp_ota_t *ota);
/* Sends what is due. 0, or why the session has ended. */
int updates_send(usmp_ota_t *ota, usmp_t *session);

#endif
