#ifndef EXAMPLE_NETWORK_H
#define EXAMPLE_NETWORK_H

/* Brings up NVS and the network (Wi-Fi or Ethernet, as menuconfig says), and waits for an address. */
void network_start(void);

#endif
