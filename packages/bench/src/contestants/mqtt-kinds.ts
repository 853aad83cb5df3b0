/** How devices are protected on their way over a broker: by their session, or by TLS up to the broker. */
export type MqttKind = 'usmp' | 'tls-psk' | 'tls-certificate'

export const SITE = 'bench'
/** Of the devices at the broker, where TLS asks for one. */
export const identity = 'device'

/** The topics of USMP, for those without it too, so that both pay for the same names. */
export function topicOf(id: string, end: 'up' | 'down'): string {
  return `usmp/${SITE}/${id.slice(-2)}/${id}/${end}`
}
