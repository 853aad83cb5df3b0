/* An established connection: frames of the peer are opened and acted upon; messages, PINGs and REKEYs of ours are queued. The
   commands themselves are declared in usmp/connection.h. Uses u.record_layer, which the connection made for the session;
   owns fragment, rekey_from and event_len of usmp_conn_t. */
#ifndef USMP_ESTABLISHED_H
#define USMP_ESTABLISHED_H

#include "connection_internal.h"

/* Takes one frame of the session. 0, also for one that was dropped; or an error for the connection to judge. */
int usmp_established_receive(usmp_conn_t *conn, const usmp_frame_t *frame);

#endif
