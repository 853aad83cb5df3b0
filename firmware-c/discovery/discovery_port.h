/* The socket of queries and answers, and what a port supplies for it: sockets/ for POSIX and ESP-IDF, lwip/ for a board without
   operating system. Each has a usmp_discovery_port.h with its usmp_discovery_socket_t. IPv4 only. */
#ifndef USMP_DISCOVERY_PORT_FUNCTIONS_H
#define USMP_DISCOVERY_PORT_FUNCTIONS_H

#include "usmp_discovery.h"
#include "usmp_discovery_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- for applications ---- */

/* Opens the socket on all addresses. port: USMP_DISCOVERY_PORT to answer, shared with other programs of the host; 0, any free one, to
   search. Returns 0, or USMP_ERR_UNREACHABLE: there is no network yet, or another program holds the port for itself. */
int usmp_discovery_open(usmp_discovery_socket_t *s, uint16_t port);
void usmp_discovery_close(usmp_discovery_socket_t *s);

/* Answers what comes within wait_ms; 0: only what is there already. Returns how many queries it answered. To be called several times
   a second, e.g. between two calls of usmp_recv. */
int usmp_discovery_serve(usmp_discovery_socket_t *s, usmp_discovery_responder_t *responder, uint32_t wait_ms);

/* Sends a query if one is due, to the port `query_port` (USMP_DISCOVERY_PORT) of all networks and of the `host_count` addresses in
   `hosts`, and notes the answers that come within wait_ms. Returns how many came; or USMP_ERR_UNREACHABLE: a query was due and could
   be sent nowhere; or USMP_ERR_RANDOM_FAILED. */
int usmp_discovery_search(usmp_discovery_socket_t *s, usmp_discovery_searcher_t *searcher, uint16_t query_port,
                          const usmp_discovery_address_t *hosts, size_t host_count, uint32_t wait_ms);

/* "192.168.1.10" of an address. */
#define USMP_DISCOVERY_IP_TEXT 16
void usmp_discovery_format_ip(const uint8_t ip[4], char text[USMP_DISCOVERY_IP_TEXT]);
/* 0, or USMP_ERR_INVALID_ARGUMENT for a text that is not an IPv4 address. */
int usmp_discovery_parse_ip(const char *text, uint8_t ip[4]);

/* ---- what a port supplies, besides usmp_discovery_open and usmp_discovery_close ---- */

/* 0, or less than zero: lost. */
int usmp_discovery_send(usmp_discovery_socket_t *s, const usmp_discovery_address_t *to, const uint8_t *bytes, size_t len);
/* To the broadcast address of each network, and by each network to the group; to nobody by networks that cannot. Returns how
   many datagrams left. */
int usmp_discovery_send_to_all(usmp_discovery_socket_t *s, uint16_t port, const uint8_t *bytes, size_t len);
/* The next datagram, or its first max_len bytes. 0: none came within wait_ms, or an empty one. */
size_t usmp_discovery_receive(usmp_discovery_socket_t *s, usmp_discovery_address_t *from, uint8_t *bytes, size_t max_len,
                              uint32_t wait_ms);

#ifdef __cplusplus
}
#endif
#endif
