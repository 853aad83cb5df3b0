/** What a relay has counted since it started. Nothing in it tells a route, an address or a peer. */
export class Metrics {
  /** WebSockets that are open now. */
  sockets = 0
  /** Those that wait for their peer now. */
  waiting = 0
  circuits = 0
  /** JOINs that were let in. */
  joins = 0
  circuitsMade = 0
  messages = 0
  bytes = 0
  /** Connections that the system could not hand over, as when there are no descriptors left. */
  acceptFailures = 0
  readonly #closes = new Map<number, number>()

  /** The relay has closed a WebSocket. */
  noteClose(code: number): void {
    this.#closes.set(code, (this.#closes.get(code) ?? 0) + 1)
  }

  /**
   * In the text format of Prometheus 0.0.4.
   * @param buffered bytes that were passed on and that the system has not taken yet
   */
  render(buffered: number): string {
    const lines = [
      ...gauge('sockets', 'WebSockets that are open', this.sockets),
      ...gauge('waiting', 'WebSockets that wait for their peer', this.waiting),
      ...gauge('circuits', 'circuits', this.circuits),
      ...gauge('buffered_bytes', 'bytes that wait for slow receivers', buffered),
      ...counter('joins_total', 'JOINs that were let in', this.joins),
      ...counter('circuits_total', 'circuits that were made', this.circuitsMade),
      ...counter('messages_total', 'messages passed on', this.messages),
      ...counter('bytes_total', 'bytes of messages passed on', this.bytes),
      ...counter('accept_failures_total', 'connections that the system could not hand over', this.acceptFailures),
      ...describe('closes_total', 'counter', 'WebSockets that the relay closed, by the code'),
      ...[...this.#closes].sort().map(([code, count]) => `usmp_relay_closes_total{code="${code}"} ${count}`),
    ]
    return `${lines.join('\n')}\n`
  }
}

function describe(name: string, type: string, help: string): string[] {
  return [`# HELP usmp_relay_${name} ${help}`, `# TYPE usmp_relay_${name} ${type}`]
}

const sample = (name: string, value: number) => `usmp_relay_${name} ${value}`
const gauge = (name: string, help: string, value: number) => [...describe(name, 'gauge', help), sample(name, value)]
const counter = (name: string, help: string, value: number) => [...describe(name, 'counter', help), sample(name, value)]
