// Loaded into a program by LD_PRELOAD: counts what it does to files below one folder (create, write, flush, sync, rename, remove), and
// at a chosen number kills the process or lets the calls fail as on a full disk. LevelDB writes by stdio, Node by plain calls.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// With optimization these are inlined by the header.
#undef fwrite_unlocked
#undef fflush_unlocked

enum { OFF, KILL, FAIL, TORN };

// Shared with the test, which writes it as a file of little-endian words.
static struct control {
  uint32_t mode, first, span;
  _Atomic uint32_t count;
} *control;
static const char *under;
static _Atomic char tracked[65536];

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void) {
  under = getenv("FAULTS_UNDER");
  const char *path = getenv("FAULTS_CONTROL");
  int fd = path ? open(path, O_RDWR) : -1;
  if (!under || fd < 0) abort();
  control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (control == MAP_FAILED) abort();
}

static int is_under(const char *path) {
  return control && strncmp(path, under, strlen(under)) == 0;
}

// Whether this call has to fail; does not return if it is the one to be killed at.
static int fault(void) {
  if (!control || control->mode == OFF) return 0;
  uint32_t count = atomic_fetch_add(&control->count, 1) + 1;
  if (count < control->first || count >= control->first + control->span) return 0;
  if (control->mode == KILL) raise(SIGKILL);
  errno = ENOSPC;
  return 1;
}

static int is_tracked(int fd) {
  return fd >= 0 && fd < 65536 && tracked[fd];
}

static void track(int fd, int on) {
  if (fd >= 0 && fd < 65536) tracked[fd] = (char)on;
}

static int for_writing(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY;
}

#define OPEN(name)                                                   \
  int name(const char *path, int flags, ...) {                       \
    REAL(name);                                                      \
    va_list args;                                                    \
    va_start(args, flags);                                           \
    mode_t mode = flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;   \
    va_end(args);                                                    \
    int ours = is_under(path);                                       \
    if (ours && for_writing(flags) && fault()) return -1;            \
    int fd = real(path, flags, mode);                                \
    track(fd, ours);                                                 \
    return fd;                                                       \
  }
OPEN(open)
OPEN(open64)

FILE *fopen64(const char *path, const char *mode) {
  REAL(fopen64);
  int ours = is_under(path);
  if (ours && *mode != 'r' && fault()) return NULL;
  FILE *file = real(path, mode);
  if (file) track(fileno(file), ours);
  return file;
}

int fclose(FILE *file) {
  REAL(fclose);
  track(fileno(file), 0);
  return real(file);
}

int close(int fd) {
  REAL(close);
  track(fd, 0);
  return real(fd);
}

size_t fwrite_unlocked(const void *data, size_t size, size_t n, FILE *file) {
  REAL(fwrite_unlocked);
  if (!is_tracked(fileno(file)) || !fault()) return real(data, size, n, file);
  if (control->mode == TORN) {
    real(data, 1, size * n / 2, file);
    fflush(file);
    errno = ENOSPC;
  }
  return 0;
}

int fflush_unlocked(FILE *file) {
  REAL(fflush_unlocked);
  if (file && is_tracked(fileno(file)) && fault()) return EOF;
  return real(file);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  if (is_tracked(fd) && fault()) return -1;
  return real(fd);
}

int fsync(int fd) {
  REAL(fsync);
  if (is_tracked(fd) && fault()) return -1;
  return real(fd);
}

ssize_t write(int fd, const void *data, size_t size) {
  REAL(write);
  if (is_tracked(fd) && fault()) return -1;
  return real(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  REAL(pwrite64);
  if (is_tracked(fd) && fault()) return -1;
  return real(fd, data, size, at);
}

int rename(const char *from, const char *to) {
  REAL(rename);
  if (is_under(to) && fault()) return -1;
  return real(from, to);
}

int unlink(const char *path) {
  REAL(unlink);
  if (is_under(path) && fault()) return -1;
  return real(path);
}

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  if (is_under(path) && fault()) return -1;
  return real(path, mode);
}
