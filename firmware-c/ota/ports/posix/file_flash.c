#include "file_flash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[USMP_FLASH_AREAS] = {"slot0.bin", "slot1.bin", "state.bin", "record.bin"};

static uint32_t size_of(const usmp_flash_t *flash, usmp_flash_area_t area)
{
  return area == USMP_FLASH_SLOT_0 || area == USMP_FLASH_SLOT_1 ? flash->slot_size : 2 * flash->sector;
}

static bool is_within(const usmp_flash_t *flash, usmp_flash_area_t area, uint32_t offset, size_t len)
{
  return (unsigned)area < USMP_FLASH_AREAS && offset <= size_of(flash, area) && len <= size_of(flash, area) - offset;
}

static bool read_all(int file, uint8_t *data, size_t len, off_t offset)
{
  while (len > 0) {
    ssize_t n = pread(file, data, len, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    offset += n;
    len -= (size_t)n;
  }
  return true;
}

static bool write_all(int file, const uint8_t *data, size_t len, off_t offset)
{
  while (len > 0) {
    ssize_t n = pwrite(file, data, len, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    offset += n;
    len -= (size_t)n;
  }
  return true;
}

/* The slots first: an entry on the disk must not tell of an image that is not. */
static int settle(const usmp_file_flash_t *f, usmp_flash_area_t area)
{
  if (area == USMP_FLASH_SLOT_0 || area == USMP_FLASH_SLOT_1) return 0;
  for (int i = 0; i < USMP_FLASH_AREAS; i++)
    if (f->files[i] >= 0 && fdatasync(f->files[i]) != 0) return -1;
  return 0;
}

static int file_read(void *ctx, usmp_flash_area_t area, uint32_t offset, void *data, size_t len)
{
  usmp_file_flash_t *f = ctx;
  if (!is_within(&f->flash, area, offset, len)) return -1;
  return read_all(f->files[area], data, len, (off_t)offset) ? 0 : -1;
}

static int file_program(void *ctx, usmp_flash_area_t area, uint32_t offset, const void *data, size_t len)
{
  usmp_file_flash_t *f = ctx;
  const uint8_t *bytes = data;
  uint8_t part[512];

  if (!is_within(&f->flash, area, offset, len)) return -1;
  for (size_t at = 0; at < len;) {
    size_t n = len - at < sizeof part ? len - at : sizeof part;
    off_t where = (off_t)offset + (off_t)at;
    if (!read_all(f->files[area], part, n, where)) return -1;
    for (size_t i = 0; i < n; i++) part[i] = (uint8_t)(part[i] & bytes[at + i]);
    if (!write_all(f->files[area], part, n, where)) return -1;
    at += n;
  }
  return settle(f, area);
}

static int file_erase(void *ctx, usmp_flash_area_t area, uint32_t offset)
{
  usmp_file_flash_t *f = ctx;
  uint8_t blank[USMP_FILE_FLASH_SECTOR];

  if (offset % sizeof blank != 0 || !is_within(&f->flash, area, offset, sizeof blank)) return -1;
  memset(blank, USMP_FLASH_BLANK, sizeof blank);
  return write_all(f->files[area], blank, sizeof blank, (off_t)offset) ? settle(f, area) : -1;
}

/* A file that was never whole is filled up: blank flash. */
static int open_area(usmp_file_flash_t *f, const char *folder, usmp_flash_area_t area)
{
  char path[4096];
  struct stat info;

  int n = snprintf(path, sizeof path, "%s/%s", folder, names[area]);
  if (n < 0 || (size_t)n >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  f->files[area] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (f->files[area] < 0 || fstat(f->files[area], &info) != 0) return -1;
  uint32_t from = info.st_size > 0 ? (uint32_t)info.st_size / USMP_FILE_FLASH_SECTOR * USMP_FILE_FLASH_SECTOR : 0;
  for (uint32_t at = from; at < size_of(&f->flash, area); at += USMP_FILE_FLASH_SECTOR)
    if (file_erase(f, area, at) != 0) return -1;
  return 0;
}

int usmp_file_flash_open(usmp_file_flash_t *f, const char *folder, uint32_t slot_size)
{
  memset(f, 0, sizeof *f);
  f->flash = (usmp_flash_t){f, slot_size, USMP_FILE_FLASH_SECTOR, file_read, file_program, file_erase};
  for (int i = 0; i < USMP_FLASH_AREAS; i++) f->files[i] = -1;
  errno = EINVAL;
  int err = slot_size == 0 || slot_size % USMP_FILE_FLASH_SECTOR != 0 ? -1 : 0;
  if (err == 0 && mkdir(folder, 0700) != 0 && errno != EEXIST) err = -1;
  /* State and record last: their blank sectors settle what comes before. */
  for (int i = 0; i < USMP_FLASH_AREAS && err == 0; i++) err = open_area(f, folder, (usmp_flash_area_t)i);
  if (err != 0) {
    int why = errno;
    usmp_file_flash_close(f);
    errno = why;
  }
  return err;
}

void usmp_file_flash_close(usmp_file_flash_t *f)
{
  for (int i = 0; i < USMP_FLASH_AREAS; i++) {
    if (f->files[i] >= 0) close(f->files[i]);
    f->files[i] = -1;
  }
}
