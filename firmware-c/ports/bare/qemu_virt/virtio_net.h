/* The network card of QEMU's `virt`: virtio-net over MMIO, version 1.x (`-global virtio-mmio.force-legacy=false`). No interrupts: its
   user looks. One card, one thread. */
#ifndef USMP_VIRTIO_NET_H
#define USMP_VIRTIO_NET_H

#include <stddef.h>
#include <stdint.h>

#define VIRTIO_NET_FRAME_MAX 1514 /* an Ethernet frame without its checksum */

/* Finds the card and starts it. Returns 0 and its address; less than zero: there is none, or it cannot what this driver needs. */
int virtio_net_init(uint8_t mac[6]);
/* A frame that has come, until virtio_net_release; null: none has. */
const uint8_t *virtio_net_peek(size_t *len);
void virtio_net_release(void);
/* Room for a frame to send; null: all are under way. To be filled, then virtio_net_send. */
uint8_t *virtio_net_reserve(void);
void virtio_net_send(size_t len);

#endif
