export { OtaCode, type OtaState, otaDeviceApi, otaGatewayApi, otaState } from './contract.js'
