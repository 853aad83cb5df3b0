#include "network.h"

#include <lwip/etharp.h>
#include <lwip/igmp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <string.h>

#include "board.h"
#include "random.h"
#include "usmp_lwip.h"
#include "virtio_net.h"

#define LOOK_MS 1u /* the card makes no interrupts, so the board looks this often */

static struct netif card;

/* ---- what lwIP asks of a system ---- */

u32_t sys_now(void)
{
  return board_millis();
}

uint32_t board_lwip_random(void)
{
  uint32_t word = 0;
  (void)board_random(NULL, (uint8_t *)&word, sizeof word); /* only spreads answers to IGMP in time */
  return word;
}

/* ---- frames ---- */

static err_t send_frame(struct netif *netif, struct pbuf *p)
{
  uint8_t *room = virtio_net_reserve();

  (void)netif;
  if (!room || p->tot_len > VIRTIO_NET_FRAME_MAX) return ERR_IF; /* lost, as on any network */
  virtio_net_send(pbuf_copy_partial(p, room, p->tot_len, 0));
  return ERR_OK;
}

/* False: none has come. */
static bool take_frame(void)
{
  size_t len;
  const uint8_t *frame = virtio_net_peek(&len);

  if (!frame) return false;
  struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_POOL);
  if (p) (void)pbuf_take(p, frame, (u16_t)len);
  virtio_net_release();
  if (p && card.input(p, &card) != ERR_OK) pbuf_free(p);
  return true;
}

static err_t start_card(struct netif *netif)
{
  netif->name[0] = 'v';
  netif->name[1] = 'n';
  netif->output = etharp_output;
  netif->linkoutput = send_frame;
  netif->mtu = 1500;
  netif->hwaddr_len = ETH_HWADDR_LEN;
  netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_LINK_UP;
  return virtio_net_init(netif->hwaddr) == 0 ? ERR_OK : ERR_IF;
}

int board_network_init(const uint8_t ip[4], const uint8_t mask[4])
{
  ip4_addr_t address, netmask, gateway;

  lwip_init();
  IP4_ADDR(&address, ip[0], ip[1], ip[2], ip[3]);
  IP4_ADDR(&netmask, mask[0], mask[1], mask[2], mask[3]);
  ip4_addr_set_zero(&gateway);
  if (!netif_add(&card, &address, &netmask, &gateway, NULL, start_card, ethernet_input)) return -1;
  netif_set_default(&card);
  netif_set_up(&card);
  return 0;
}

/* ---- usmp_lwip.h ---- */

void usmp_lwip_poll(uint32_t wait_ms)
{
  bool any = false;

  while (take_frame()) any = true;
  sys_check_timeouts();
  if (!any && wait_ms > 0) board_idle(LOOK_MS);
}
