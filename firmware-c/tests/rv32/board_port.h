/* The application layer (usmp.h) on the board of ports/bare/qemu_virt: what usmp_port.h asks for, and its UART as a
   transport. There is one line with one peer behind it, so a listener is ready at once. */
#ifndef USMP_TEST_BOARD_PORT_H
#define USMP_TEST_BOARD_PORT_H

#include "usmp.h"

/* USMP_KIND_SERIAL: packets of a serial line. USMP_KIND_STREAM: the bytes of a TCP stream, which others carry on.
   USMP_KIND_DATAGRAM: each datagram behind its length in two bytes, big-endian; others carry them on as well. */
void board_transport(usmp_transport_t *transport, usmp_kind_t kind);

/* The same for a server; to be followed by usmp_listen. */
void board_listener(usmp_listener_t *listener, usmp_kind_t kind);

#endif
