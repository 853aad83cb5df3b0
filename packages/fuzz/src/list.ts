/** What is known of a target without loading what it tests. */
export interface About {
  readonly name: string
  /** One line for the usage and the table. */
  readonly what: string
  /** Of an input, bytes. */
  readonly maxLength: number
  /** The sources whose points are told: beginnings of paths from the root of the repository. */
  readonly covers: readonly string[]
}

const core = (...names: readonly string[]) => names.map((name) => `packages/core/src/${name}.ts`)

export const list: readonly About[] = [
  {
    name: 'frames',
    what: 'frames, deframer, COBS: the same frames at any cut, and they encode to the bytes they came from',
    maxLength: 1200,
    covers: core('crc16', 'cobs', 'deframer', 'frame'),
  },
  {
    name: 'handshake',
    what: 'either role and a peer without the key: never a session',
    maxLength: 600,
    covers: core('handshake/client', 'handshake/server', 'messages', 'keys', 'connection', 'handshaking'),
  },
  {
    name: 'session',
    what: 'an established session and a peer that has the keys and seals what no honest one does',
    maxLength: 800,
    covers: core(
      'connection',
      'established',
      'established-datagram',
      'record-layer',
      'fragment',
      'replay',
      'reorder',
      'keepalive',
      'datagram',
      'arq',
      'utack',
    ),
  },
  {
    name: 'differential',
    what: 'TypeScript and C side by side, with and without the keys: the same bytes, events, errors, deadlines',
    maxLength: 800,
    covers: core(
      'connection',
      'handshaking',
      'established',
      'framing',
      'record-layer',
      'fragment',
      'replay',
      'keepalive',
      'deframer',
      'handshake/client',
      'handshake/server',
    ),
  },
  {
    name: 'rpc',
    what: 'JSON-RPC messages, chunks of them, and a peer that serves them: what is understood says the same again',
    maxLength: 1500,
    covers: [
      'envelope',
      'chunks',
      'message-age',
      'codes',
      'incoming-requests',
      'stream-producer',
      'message-sender',
      'peer',
      'stream-consumer',
    ].map((name) => `packages/rpc/src/${name}.ts`),
  },
  {
    name: 'mqtt',
    what: 'topics, presences and packets of a broker: an id in one way only, and no packet that is too long, however it is cut',
    maxLength: 400,
    covers: ['topics', 'presence', 'packet-limit'].map((name) => `packages/mqtt/src/${name}.ts`),
  },
  {
    name: 'gateway-http',
    what: 'requests to the HTTP API, and files of devices: an answer or an error of the API, never a fault',
    maxLength: 1000,
    covers: ['http/router', 'http/app', 'devices/registration'].map((name) => `packages/gateway/src/${name}.ts`),
  },
  {
    name: 'gateway-telemetry',
    what: 'what devices say inside the session: bounded readings, and discovery messages that are plain text',
    maxLength: 600,
    covers: ['telemetry/telemetry', 'telemetry/ring', 'bridge/discovery', 'bridge/units', 'bridge/names'].map(
      (name) => `packages/gateway/src/${name}.ts`,
    ),
  },
  {
    name: 'ota-manifest',
    what: 'manifests of updates and keys as text: one form, signatures as node:crypto finds them, nothing unsigned taken',
    maxLength: 600,
    covers: ['manifest', 'signed-part', 'text', 'ed25519', 'judge', 'trust-record', 'public-key-text'].map(
      (name) => `packages/ota/src/${name}.ts`,
    ),
  },
  {
    name: 'discovery',
    what: 'answers, TXT records, DNS messages, and floods of them: read in one way only, no text that a terminal obeys, all of it bounded',
    maxLength: 600,
    covers: ['query', 'facts', 'txt', 'dns-sd', 'found'].map((name) => `packages/discovery/src/${name}.ts`),
  },
  {
    name: 'ota-transfer',
    what: 'both ends of a transfer and a peer that says anything, with restarts: nothing staged that was not signed, nothing sent unasked',
    maxLength: 400,
    covers: ['device', 'device-record', 'pull', 'sender', 'transfer-messages', 'image-source', 'slot-table'].map(
      (name) => `packages/ota/src/${name}.ts`,
    ),
  },
  {
    name: 'ota-differential',
    what: 'manifests in TypeScript and in C side by side: the same verdict, fields and record',
    maxLength: 600,
    covers: ['manifest', 'signed-part', 'text', 'judge', 'trust-record'].map((name) => `packages/ota/src/${name}.ts`),
  },
  {
    name: 'relay-join',
    what: 'JOINs and first messages, and peers of a relay that come, send and go in any order: nothing of them is left',
    maxLength: 300,
    covers: [
      'wire',
      ...['peer-sockets', 'routes', 'circuit', 'relay-socket', 'admission'].map((name) => `server/${name}`),
    ].map((name) => `packages/relay/src/${name}.ts`),
  },
  {
    name: 'relay-pairing',
    what: 'messages of a pairing, codes, files of identities and known peers: what is read is written again; no peer without the code',
    maxLength: 600,
    covers: ['pairing-messages', 'pairing-circuit', 'pairing-code', 'peer-name', 'known-peers', 'identity-file'].map(
      (name) => `packages/relay/src/${name}.ts`,
    ),
  },
  {
    name: 'relay-channel',
    what: 'cells, and the lists of a channel with a peer that says anything: nothing twice, no gaps, all of it bounded',
    maxLength: 500,
    covers: ['cell', 'outgoing-messages', 'incoming-messages'].map((name) => `packages/relay/src/${name}.ts`),
  },
]
