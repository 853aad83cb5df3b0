// The C core for tests in TypeScript: it is built from firmware-c of a checkout of the repository and started here. Without a
// checkout there is nothing to build.

export { buildC, cFolder } from './c-build.js'
export { buildCEngine, CEngine, type CEngineOptions, type CModule } from './c-engine.js'
export { buildCManifests, CManifests, type CVerdict } from './c-manifests.js'
export { buildCPeers, CPeer, cPrograms, publishedLoop } from './c-peer.js'
export { buildCRobot, CRobot, cRobotProgram } from './c-robot.js'
export { buildCSensor, CSensor } from './c-sensor.js'
export { buildCSensorImages, CSlots, readSensorImage, type SensorImage } from './c-slots.js'
