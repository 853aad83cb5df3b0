/* usmp-loader: the boot loader, the reset line and the watchdog of a device that is a program of this machine.

     usmp-loader --slots FOLDER --install IMAGE             the first image, as by cable: slot 0, and a table without entries
     usmp-loader --slots FOLDER [--watchdog SECONDS] -- …   starts what the table says, with these arguments, again and again

   Each start is a boot: the slot is chosen by ../flash/slot_table.h, its image is copied into memory and executed from there,
   so that the program may overwrite the other slot and nobody the running image. A program that crashes, that asks for
   a restart, or that does not feed the watchdog is started again. It ends when the program ends with status 0. */
#include "loader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file_flash.h"
#include "slot_table.h"

#define EXIT_USAGE 2
#define EXIT_NOT_STARTED 127
#define PAUSE_AFTER_CRASH_MS 100
#define MAX_PAUSE_MS 5000

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
  (void)number;
  told_to_end = 1;
}

static void say(const char *what, const char *detail)
{
  fprintf(stderr, "loader: %s%s\n", what, detail);
}

/* ---- the first image ---- */

static int program_file(const usmp_flash_t *flash, int from)
{
  uint8_t part[USMP_FILE_FLASH_SECTOR];
  uint32_t at = 0;

  for (ssize_t n; (n = read(from, part, sizeof part)) != 0; at += (uint32_t)n) {
    if (n < 0) return -1;
    if ((size_t)n > flash->slot_size - at) {
      errno = EFBIG;
      return -1;
    }
    if (flash->program(flash->ctx, USMP_FLASH_SLOT_0, at, part, (size_t)n) != 0) return -1;
  }
  return 0;
}

static int install(const usmp_flash_t *flash, const char *image)
{
  int from = open(image, O_RDONLY | O_CLOEXEC);
  int err = from < 0 ? -1 : 0;

  for (uint32_t at = 0; at < flash->slot_size && err == 0; at += flash->sector)
    err = flash->erase(flash->ctx, USMP_FLASH_SLOT_0, at);
  if (err == 0) err = program_file(flash, from);
  for (uint32_t i = 0; i < 2 && err == 0; i++) {
    err = flash->erase(flash->ctx, USMP_FLASH_RECORD, i * flash->sector);
    if (err == 0) err = flash->erase(flash->ctx, USMP_FLASH_STATE, i * flash->sector);
  }
  if (err != 0) say("the image was not installed: ", strerror(errno));
  if (from >= 0) close(from);
  return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- a start ---- */

/* The image of a slot as a file in memory, -1: it could not be made. */
static int load(const usmp_flash_t *flash, int slot)
{
  uint8_t part[USMP_FILE_FLASH_SECTOR];
  int image = memfd_create("image", MFD_CLOEXEC);

  for (uint32_t at = 0; image >= 0 && at < flash->slot_size; at += (uint32_t)sizeof part) {
    if (flash->read(flash->ctx, (usmp_flash_area_t)slot, at, part, sizeof part) == 0 &&
        write(image, part, sizeof part) == (ssize_t)sizeof part)
      continue;
    close(image);
    return -1;
  }
  return image;
}

static void set_number(const char *name, int number)
{
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  setenv(name, text, 1);
}

/* In the new process. It dies with the loader, as a chip without power. */
_Noreturn static void become(int image, int slot, int watchdog, char **arguments)
{
  sigset_t none;

  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  set_number(USMP_LOADER_SLOT, slot);
  set_number(USMP_LOADER_WATCHDOG, watchdog);
  fexecve(image, arguments, environ);
  _exit(EXIT_NOT_STARTED);
}

/* Waits for its end, or for the watchdog. The pipe closes when the program ends. */
static int watch(pid_t program, int fed, int watchdog_ms)
{
  const struct timespec limit = {watchdog_ms / 1000, watchdog_ms % 1000 * 1000000L};
  sigset_t none;
  int status = 0;
  bool forwarded = false;

  sigemptyset(&none);
  for (;;) {
    struct pollfd pipe_end = {.fd = fed, .events = POLLIN};
    uint8_t bytes[64];
    int ready = ppoll(&pipe_end, 1, watchdog_ms > 0 ? &limit : NULL, &none);
    if (told_to_end && !forwarded) {
      kill(program, SIGTERM);
      forwarded = true;
    }
    if (ready < 0) continue;
    if (ready == 0) {
      say("reset by the watchdog", "");
      kill(program, SIGKILL);
      break;
    }
    if (read(fed, bytes, sizeof bytes) <= 0) break;
  }
  while (waitpid(program, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

/* The wait status of one run, -1: it could not be started. */
static int boot(const usmp_flash_t *flash, int slot, int watchdog_ms, char **arguments)
{
  int ends[2];
  int image = load(flash, slot);

  if (image < 0 || pipe2(ends, O_CLOEXEC) != 0) return -1;
  pid_t program = fork();
  if (program == 0) {
    fcntl(ends[1], F_SETFD, 0);
    become(image, slot, ends[1], arguments);
  }
  close(ends[1]);
  close(image);
  int status = program < 0 ? -1 : watch(program, ends[0], watchdog_ms);
  close(ends[0]);
  return status;
}

static void tell_end(int status)
{
  char detail[64];
  if (WIFSIGNALED(status)) snprintf(detail, sizeof detail, "killed by signal %d", WTERMSIG(status));
  else snprintf(detail, sizeof detail, "ended with status %d", WEXITSTATUS(status));
  say("the program was ", detail);
}

/* Until the pause is over, or a signal has come. */
static void pause_for(int ms)
{
  const struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};
  sigset_t none;

  sigemptyset(&none);
  ppoll(NULL, 0, &limit, &none);
}

static int64_t now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int run(const usmp_flash_t *flash, int watchdog_ms, char **arguments)
{
  int pause_ms = PAUSE_AFTER_CRASH_MS;

  while (!told_to_end) {
    int slot = usmp_slots_choose(flash);
    if (slot < 0) {
      say("no image to start: ",
          slot == USMP_SLOTS_FLASH_ERROR ? "the files of the flash cannot be read or written" : "none may boot");
      return EXIT_FAILURE;
    }
    say("starts slot ", slot == 0 ? "0" : "1");
    int64_t started = now_ms();
    int status = boot(flash, slot, watchdog_ms, arguments);
    if (status < 0) {
      say("the image could not be loaded: ", strerror(errno));
      return EXIT_FAILURE;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return EXIT_SUCCESS;
    if (WIFEXITED(status) && WEXITSTATUS(status) == USMP_LOADER_RESTART) continue;
    tell_end(status);
    /* What ends at once, as for a wrong option, would fill the terminal. */
    if (now_ms() - started > MAX_PAUSE_MS) pause_ms = PAUSE_AFTER_CRASH_MS;
    pause_for(pause_ms);
    pause_ms = 2 * pause_ms < MAX_PAUSE_MS ? 2 * pause_ms : MAX_PAUSE_MS;
  }
  return EXIT_SUCCESS;
}

/* ---- the command ---- */

static int usage(const char *what)
{
  fprintf(stderr,
          "usmp-loader: %s\n"
          "usage: usmp-loader --slots FOLDER --install IMAGE\n"
          "       usmp-loader --slots FOLDER [--watchdog SECONDS] -- ARGUMENTS of the program\n",
          what);
  return EXIT_USAGE;
}

static bool read_seconds(const char *text, int *ms)
{
  char *end;
  double seconds = strtod(text, &end);

  if (end == text || *end || !(seconds >= 0.1 && seconds <= 3600)) return false;
  *ms = (int)(seconds * 1000);
  return true;
}

int main(int argc, char **argv)
{
  const char *folder = NULL;
  const char *image = NULL;
  int watchdog_ms = 0;
  int at = 1;
  usmp_file_flash_t files;
  sigset_t ends;
  struct sigaction action = {.sa_handler = on_signal};

  setvbuf(stderr, NULL, _IOLBF, 0);
  for (; at < argc && strcmp(argv[at], "--") != 0; at += 2) {
    if (at + 1 >= argc) return usage("an option is without its value");
    if (strcmp(argv[at], "--slots") == 0) folder = argv[at + 1];
    else if (strcmp(argv[at], "--install") == 0) image = argv[at + 1];
    else if (strcmp(argv[at], "--watchdog") != 0) return usage("an option is unknown");
    else if (!read_seconds(argv[at + 1], &watchdog_ms)) return usage("--watchdog takes seconds, 0.1 to 3600");
  }
  if (!folder) return usage("--slots is missing: the folder of the two slots");
  if (!image == (at == argc)) return usage("either --install and an image, or -- and the arguments of the program");
  if (usmp_file_flash_open(&files, folder, USMP_FILE_FLASH_SLOT_SIZE) != 0) {
    fprintf(stderr, "loader: the folder %s cannot be used: %s\n", folder, strerror(errno));
    return EXIT_FAILURE;
  }
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (!image) argv[at] = argv[0]; /* where "--" was: the name that the program sees */
  int code = image ? install(&files.flash, image) : run(&files.flash, watchdog_ms, argv + at);
  usmp_file_flash_close(&files);
  return code;
}
