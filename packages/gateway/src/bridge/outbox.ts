import type { MqttClient } from 'mqtt'

/**
 * Retained messages on their way to the broker: the newest of each topic. It holds no more than there are topics, however slow
 * the broker is, and sends the next batch when the last one has left.
 */
export class Outbox {
  readonly #client: MqttClient
  #waiting = new Map<string, string>()
  #sending: Promise<void> | undefined

  constructor(client: MqttClient) {
    this.#client = client
  }

  /** An empty payload removes what the broker has retained. */
  put(topic: string, payload: string): void {
    // What comes later goes to the end, so a discovery message never overtakes what was put before it.
    this.#waiting.delete(topic)
    this.#waiting.set(topic, payload)
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
  }

  /** Resolves when nothing waits any more, or the connection is gone. */
  async flushed(): Promise<void> {
    await this.#sending
  }

  /** Forgets what waits: after a break everything is told again. */
  clear(): void {
    this.#waiting.clear()
  }

  async #send(): Promise<void> {
    await Promise.resolve()
    while (this.#waiting.size > 0 && this.#client.connected) {
      const batch = this.#waiting
      this.#waiting = new Map()
      const sent = [...batch].map(([topic, payload]) => this.#publish(topic, payload))
      await Promise.all(sent)
    }
    if (!this.#client.connected) this.#waiting.clear()
  }

  /** Fails only by the connection, and then all is told again on the next one. */
  async #publish(topic: string, payload: string): Promise<void> {
    await this.#client.publishAsync(topic, payload, { qos: 0, retain: true }).catch(() => {})
  }
}
