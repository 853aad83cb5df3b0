#include "virtio_net.h"

#include <stdbool.h>
#include <string.h>

/* Virtual I/O Device (VIRTIO) 1.1, OASIS: 4.2.2 (MMIO), 2.6 (split virtqueues), 5.1 (network device). */

#define FIRST_SLOT 0x10001000u /* QEMU puts devices into the last slots first */
#define SLOT_SIZE 0x1000u
#define SLOTS 8

#define MAGIC 0x000
#define VERSION 0x004
#define DEVICE_ID 0x008
#define DEVICE_FEATURES 0x010
#define DEVICE_FEATURES_SELECT 0x014
#define DRIVER_FEATURES 0x020
#define DRIVER_FEATURES_SELECT 0x024
#define QUEUE_SELECT 0x030
#define QUEUE_SIZE_MAX 0x034
#define QUEUE_SIZE 0x038
#define QUEUE_READY 0x044
#define QUEUE_NOTIFY 0x050
#define STATUS 0x070
#define QUEUE_DESCRIPTORS 0x080
#define QUEUE_AVAILABLE 0x090
#define QUEUE_USED 0x0A0
#define CONFIG 0x100

#define MAGIC_VALUE 0x74726976u /* "virt" */
#define NETWORK_CARD 1u
#define FEATURE_MAC (1u << 5)
#define FEATURE_VERSION_1 (1u << 0) /* in the second word */
#define ACKNOWLEDGE 1u
#define DRIVER 2u
#define DRIVER_OK 4u
#define FEATURES_OK 8u

#define RECEIVE 0u
#define SEND 1u
#define QUEUE_LEN 8u
#define NET_HEADER 12u /* zeros in what is sent; not looked at in what comes */
#define BUFFER_SIZE ((NET_HEADER + VIRTIO_NET_FRAME_MAX + 3u) & ~3u)
#define DEVICE_WRITES 2u /* flag of a descriptor */
#define NO_INTERRUPT 1u  /* flag of the available ring */

typedef struct descriptor {
  uint64_t address;
  uint32_t len;
  uint16_t flags;
  uint16_t next;
} descriptor_t;

typedef struct available {
  uint16_t flags;
  uint16_t index;
  uint16_t ring[QUEUE_LEN];
  uint16_t event;
} available_t;

typedef struct used {
  uint16_t flags;
  uint16_t index;
  struct {
    uint32_t id;
    uint32_t len;
  } ring[QUEUE_LEN];
  uint16_t event;
} used_t;

/* Descriptor i always describes buffer i. */
typedef struct queue {
  descriptor_t descriptors[QUEUE_LEN] __attribute__((aligned(16)));
  volatile available_t available __attribute__((aligned(4)));
  volatile used_t used __attribute__((aligned(4)));
  uint8_t buffers[QUEUE_LEN][BUFFER_SIZE] __attribute__((aligned(4)));
  uint16_t taken; /* of what the device has used, so much was looked at */
} queue_t;

static queue_t queues[2];
static uintptr_t card;

static volatile uint32_t *reg(uintptr_t offset)
{
  return (volatile uint32_t *)(card + offset);
}

/* What was written before is in memory before what comes after. */
static void barrier(void)
{
  __asm__ volatile("fence" : : : "memory");
}

/* ---- start ---- */

static bool find_card(void)
{
  for (uintptr_t slot = 0; slot < SLOTS; slot++) {
    card = FIRST_SLOT + slot * SLOT_SIZE;
    if (*reg(MAGIC) == MAGIC_VALUE && *reg(VERSION) == 2 && *reg(DEVICE_ID) == NETWORK_CARD) return true;
  }
  return false;
}

static bool agree_on_features(void)
{
  *reg(DEVICE_FEATURES_SELECT) = 0;
  bool has_mac = *reg(DEVICE_FEATURES) & FEATURE_MAC;
  *reg(DEVICE_FEATURES_SELECT) = 1;
  bool is_version_1 = *reg(DEVICE_FEATURES) & FEATURE_VERSION_1;
  *reg(DRIVER_FEATURES_SELECT) = 0;
  *reg(DRIVER_FEATURES) = FEATURE_MAC;
  *reg(DRIVER_FEATURES_SELECT) = 1;
  *reg(DRIVER_FEATURES) = FEATURE_VERSION_1;
  *reg(STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK;
  return has_mac && is_version_1 && (*reg(STATUS) & FEATURES_OK);
}

/* An address in two registers, of which the upper one is zero here. */
static void set_address(uintptr_t offset, const volatile void *at)
{
  *reg(offset) = (uint32_t)(uintptr_t)at;
  *reg(offset + 4) = 0;
}

static bool start_queue(uint32_t number)
{
  queue_t *queue = &queues[number];

  *reg(QUEUE_SELECT) = number;
  if (*reg(QUEUE_SIZE_MAX) < QUEUE_LEN) return false;
  memset(queue, 0, sizeof *queue);
  for (uint32_t i = 0; i < QUEUE_LEN; i++) {
    queue->descriptors[i].address = (uintptr_t)queue->buffers[i];
    queue->descriptors[i].len = BUFFER_SIZE;
    queue->descriptors[i].flags = number == RECEIVE ? DEVICE_WRITES : 0;
  }
  queue->available.flags = NO_INTERRUPT;
  *reg(QUEUE_SIZE) = QUEUE_LEN;
  set_address(QUEUE_DESCRIPTORS, queue->descriptors);
  set_address(QUEUE_AVAILABLE, &queue->available);
  set_address(QUEUE_USED, &queue->used);
  *reg(QUEUE_READY) = 1;
  return true;
}

/* Hands buffer `id` to the device. */
static void make_available(uint32_t number, uint16_t id)
{
  queue_t *queue = &queues[number];

  queue->available.ring[queue->available.index % QUEUE_LEN] = id;
  barrier();
  queue->available.index = (uint16_t)(queue->available.index + 1u);
  barrier();
  *reg(QUEUE_NOTIFY) = number;
}

int virtio_net_init(uint8_t mac[6])
{
  if (!find_card()) return -1;
  *reg(STATUS) = 0;
  *reg(STATUS) = ACKNOWLEDGE | DRIVER;
  if (!agree_on_features() || !start_queue(RECEIVE) || !start_queue(SEND)) return -1;
  *reg(STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
  for (uint16_t i = 0; i < QUEUE_LEN; i++) make_available(RECEIVE, i);
  for (size_t i = 0; i < 6; i++) mac[i] = *(volatile uint8_t *)(card + CONFIG + i);
  return 0;
}

/* ---- frames ---- */

const uint8_t *virtio_net_peek(size_t *len)
{
  queue_t *queue = &queues[RECEIVE];

  while (queue->taken != queue->used.index) {
    barrier();
    uint32_t id = queue->used.ring[queue->taken % QUEUE_LEN].id % QUEUE_LEN;
    uint32_t written = queue->used.ring[queue->taken % QUEUE_LEN].len;
    if (written > NET_HEADER && written <= BUFFER_SIZE) {
      *len = written - NET_HEADER;
      return queue->buffers[id] + NET_HEADER;
    }
    virtio_net_release();
  }
  return NULL;
}

void virtio_net_release(void)
{
  queue_t *queue = &queues[RECEIVE];
  uint32_t id = queue->used.ring[queue->taken % QUEUE_LEN].id % QUEUE_LEN;

  queue->taken = (uint16_t)(queue->taken + 1u);
  make_available(RECEIVE, (uint16_t)id);
}

/* Buffers are sent in turn; one is free again when the device has used as many as were sent before its turn came round. */
uint8_t *virtio_net_reserve(void)
{
  queue_t *queue = &queues[SEND];
  uint16_t under_way = (uint16_t)(queue->available.index - queue->used.index);

  barrier();
  return under_way < QUEUE_LEN ? queue->buffers[queue->available.index % QUEUE_LEN] + NET_HEADER : NULL;
}

void virtio_net_send(size_t len)
{
  queue_t *queue = &queues[SEND];
  uint16_t id = queue->available.index % QUEUE_LEN;

  queue->descriptors[id].len = (uint32_t)(NET_HEADER + len);
  make_available(SEND, id);
}
