/* A robot on two wheels: where it is, how fast it goes, and when it must stop. Nothing but arithmetic: time is an
   argument (milliseconds of a clock that never steps; may wrap), so that tests and chips run the same code. */
#ifndef ROBOT_H
#define ROBOT_H

#include <stdbool.h>
#include <stdint.h>

#define ROBOT_MAX_V 0.5        /* m/s */
#define ROBOT_MAX_W 2.0        /* rad/s */
#define ROBOT_ACCELERATION_V 1 /* m/s2, when told to drive */
#define ROBOT_ACCELERATION_W 6 /* rad/s2 */
#define ROBOT_BRAKE_V 10       /* m/s2, when it stops: from full speed within 50 ms */
#define ROBOT_BRAKE_W 40       /* rad/s2 */
#define ROBOT_WHEEL_BASE 0.2   /* m */
#define ROBOT_DEAD_MAN_MS 500u /* a moving robot that gets no command for so long stops */
#define ROBOT_TICK_MS 10u

typedef enum robot_state { ROBOT_IDLE, ROBOT_DRIVING, ROBOT_DEAD_MAN } robot_state_t;

typedef struct robot {
  double x; /* m, from where it started */
  double y;
  double theta; /* rad, in (-pi, pi]; 0: along x */
  double v;     /* m/s, forwards */
  double w;     /* rad/s, to the left */
  double target_v;
  double target_w;
  double battery;     /* 0 to 1 */
  double temperature; /* degrees Celsius */
  robot_state_t state;
  bool braking;
  uint32_t now;       /* up to here it was computed */
  uint32_t driven_at; /* the last command */
} robot_t;

void robot_init(robot_t *robot, uint32_t now);
/* Brings it up to `now`. Every function below does that first. */
void robot_step(robot_t *robot, uint32_t now);
/* Drives on at these speeds, which must be finite; they are cut to the limits, and put back into v and w. */
void robot_drive(robot_t *robot, double *v, double *w, uint32_t now);
void robot_stop(robot_t *robot, uint32_t now);
/* Nobody is there to command it: a moving robot stops at once. */
void robot_abandon(robot_t *robot, uint32_t now);

/* Speeds of the wheels, m/s. */
double robot_left(const robot_t *robot);
double robot_right(const robot_t *robot);
/* "idle", "driving" or "deadman". */
const char *robot_state_name(const robot_t *robot);

#endif
