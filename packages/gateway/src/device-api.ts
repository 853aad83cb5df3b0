// What a device and the gateway say to each other inside the session: JSON-RPC 2.0 (docs/rpc.md). A device need not know any of it: its
// presence, its round trips and the approval work without.
import { contract } from '@usmp/rpc'
import * as v from 'valibot'
import { firmware } from './contract/device.js'
import { span, text } from './contract/text.js'

/** Readings of one moment, by name: at most 32. */
const values = v.pipe(
  v.record(text(64), v.union([v.pipe(v.number(), v.finite()), v.boolean(), text(256)])),
  v.check((all) => Object.keys(all).length <= 32, 'must be at most 32 readings'),
)

/** What the gateway takes from a device. */
export const gatewayApi = contract({
  notifications: {
    /** `age`: ms since the values were measured; left out: now. */
    telemetry: v.object({ values, age: v.optional(span) }),
  },
})

/** What the gateway asks of a device by itself. Any other method a person may ask for, see the request console. */
export const deviceApi = contract({
  requests: {
    /** Asked once when a session begins; a device that does not know it stays without name, units and methods. */
    describe: {
      params: v.object({}),
      result: v.object({
        name: v.optional(text(64)),
        firmware: v.optional(firmware),
        units: v.optional(v.record(text(64), text(16))),
        methods: v.optional(v.pipe(v.array(text(64)), v.maxLength(32))),
      }),
    },
  },
})
