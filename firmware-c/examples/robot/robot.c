#include "robot.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
#define TICK (ROBOT_TICK_MS / 1000.0)
/* After this time nothing is left to compute but the wear of standing still: every motion has ended. */
#define LONGEST_MOTION_MS 2000u

#define AIR 25.0          /* degrees Celsius */
#define HEAT_V 40.0       /* degrees above the air that driving at 1 m/s ends in */
#define WARM_UP 30.0      /* s */
#define DRAIN_STILL 1e-5  /* of the battery, a second */
#define DRAIN_MOVING 2e-3 /* a metre */

void robot_init(robot_t *robot, uint32_t now)
{
  memset(robot, 0, sizeof *robot);
  robot->battery = 1;
  robot->temperature = AIR;
  robot->now = now;
  robot->driven_at = now;
}

static double limited(double value, double limit)
{
  return value > limit ? limit : value < -limit ? -limit : value;
}

static bool wants_to_move(const robot_t *robot)
{
  return robot->target_v != 0 || robot->target_w != 0;
}

static bool moves(const robot_t *robot)
{
  return wants_to_move(robot) || robot->v != 0 || robot->w != 0;
}

static void brake(robot_t *robot, robot_state_t state)
{
  robot->target_v = robot->target_w = 0;
  robot->braking = true;
  robot->state = state;
}

static void wear(robot_t *robot)
{
  double work = fabs(robot->v) + ROBOT_WHEEL_BASE / 2 * fabs(robot->w);

  robot->battery -= TICK * (DRAIN_STILL + DRAIN_MOVING * work);
  if (robot->battery < 0) robot->battery = 0;
  robot->temperature += TICK / WARM_UP * (AIR + HEAT_V * work - robot->temperature);
}

static void tick(robot_t *robot)
{
  bool alone = (int32_t)(robot->now - robot->driven_at) >= (int32_t)ROBOT_DEAD_MAN_MS;

  if (alone && wants_to_move(robot)) brake(robot, ROBOT_DEAD_MAN);
  double gain_v = (robot->braking ? ROBOT_BRAKE_V : ROBOT_ACCELERATION_V) * TICK;
  double gain_w = (robot->braking ? ROBOT_BRAKE_W : ROBOT_ACCELERATION_W) * TICK;
  robot->v += limited(robot->target_v - robot->v, gain_v);
  robot->w += limited(robot->target_w - robot->w, gain_w);
  /* Along the chord of the arc that was driven in this tick. */
  double heading = robot->theta + robot->w * TICK / 2;
  robot->x += robot->v * TICK * cos(heading);
  robot->y += robot->v * TICK * sin(heading);
  robot->theta += robot->w * TICK;
  if (robot->theta > PI) robot->theta -= 2 * PI;
  if (robot->theta <= -PI) robot->theta += 2 * PI;
  wear(robot);
  if (robot->state == ROBOT_DRIVING && !moves(robot)) robot->state = ROBOT_IDLE;
  robot->now += ROBOT_TICK_MS;
}

void robot_step(robot_t *robot, uint32_t now)
{
  uint32_t behind = now - robot->now;

  if (behind > INT32_MAX) return; /* an earlier time than before */
  uint32_t still = behind > LONGEST_MOTION_MS ? behind - LONGEST_MOTION_MS : 0;
  while (now - robot->now >= ROBOT_TICK_MS && now - robot->now > still) tick(robot);
  if (still == 0) return;
  robot->now += still - still % ROBOT_TICK_MS;
  robot->driven_at = robot->now - ROBOT_DEAD_MAN_MS;
}

void robot_drive(robot_t *robot, double *v, double *w, uint32_t now)
{
  robot_step(robot, now);
  *v = robot->target_v = limited(*v, ROBOT_MAX_V);
  *w = robot->target_w = limited(*w, ROBOT_MAX_W);
  robot->driven_at = now;
  robot->braking = false;
  robot->state = moves(robot) ? ROBOT_DRIVING : ROBOT_IDLE;
}

void robot_stop(robot_t *robot, uint32_t now)
{
  robot_step(robot, now);
  brake(robot, ROBOT_IDLE);
}

void robot_abandon(robot_t *robot, uint32_t now)
{
  robot_step(robot, now);
  if (wants_to_move(robot)) brake(robot, ROBOT_DEAD_MAN);
}

double robot_left(const robot_t *robot)
{
  return robot->v - robot->w * ROBOT_WHEEL_BASE / 2;
}

double robot_right(const robot_t *robot)
{
  return robot->v + robot->w * ROBOT_WHEEL_BASE / 2;
}

const char *robot_state_name(const robot_t *robot)
{
  static const char *const names[] = {"idle", "driving", "deadman"};
  return names[robot->state];
}
