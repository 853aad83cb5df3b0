// Simulated sensors, for a first try, for tests and for load: `usmp sim sensor` and the demo of `usmp gateway`.
export { measure, type Place, placeNames } from './simulator/climate.js'
export {
  connectDirectly,
  connectOverMqtt,
  type DirectOptions,
  type OverMqttOptions,
  type SensorConnector,
} from './simulator/connect.js'
export {
  type SensorUpdates,
  SIM_CHIP,
  SIM_PRODUCT,
  type SimBehaviour,
  simBehaviours,
  simImage,
} from './simulator/firmware.js'
export { type Fleet, type FleetEvent, type FleetOptions, type FleetSensor, startFleet } from './simulator/fleet.js'
export { runSensor, SELF_TEST_FAILED, type SensorEvent, type SensorOptions } from './simulator/sensor.js'
