/* IPv4 on the board: lwIP over its network card, by one loop without threads. */
#ifndef USMP_BOARD_NETWORK_H
#define USMP_BOARD_NETWORK_H

#include <stdint.h>

/* Starts lwIP with this address; both in the order in which they are written down. Returns 0; less than zero: the board has
   no card. */
int board_network_init(const uint8_t ip[4], const uint8_t mask[4]);

#endif
