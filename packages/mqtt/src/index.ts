export { type AclOptions, brokerAcl } from './broker-acl.js'
export {
  BrokerConnection,
  type BrokerHandler,
  type BrokerMessage,
  type BrokerState,
} from './broker-connection.js'
export type { BrokerOptions } from './broker-options.js'
export { connectMqtt, type MqttConnectOptions, type MqttSessionsOptions, mqttSessions } from './connect.js'
export { listenMqtt, type MqttDrop, type MqttListener, type MqttListenOptions } from './mqtt-listener.js'
