/* lwIP for the board: IPv4, UDP, ARP and IGMP, called from one loop. */
#ifndef USMP_LWIPOPTS_H
#define USMP_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TCP 0
#define LWIP_UDP 1
#define LWIP_IGMP 1
#define LWIP_MULTICAST_TX_OPTIONS 1
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define LWIP_STATS 0
#define SO_REUSE 1 /* the sockets of a listener and of its sessions share a port */
#define MEM_ALIGNMENT 4
#define MEM_SIZE 8192
#define MEMP_NUM_UDP_PCB 8
#define PBUF_POOL_SIZE 16
#define PBUF_POOL_BUFSIZE 1536

#endif
