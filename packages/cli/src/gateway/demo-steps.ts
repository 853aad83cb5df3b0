import type { Device } from '@usmp/gateway/contract'
import type { RunningGateway } from '@usmp/gateway/program'

type Demo = NonNullable<RunningGateway['demo']>

/** What is there to open, and where all of it is kept. */
export interface DemoPlace {
  readonly link: string
  /** The link makes the first user. */
  readonly isSetup: boolean
  readonly data: string
}

/** What a person who has a first look can do now: at the second start the sensor may be approved, or revoked. */
export function demoSteps({ known, unknown, wrong }: Demo, devices: readonly Device[], place: DemoPlace) {
  const stateOf = (id: string) => devices.find((device) => device.id === id)?.state ?? null
  const isIn = (id: string) => ![null, 'waiting', 'revoked', 'blocked'].includes(stateOf(id))
  const state = stateOf(unknown.deviceId)
  const waits = state === null || state === 'waiting'
  const first = place.isSetup
    ? 'Open this link, and choose a name and a password. It works once, for 15 minutes:'
    : 'Open the page and log in:'
  const lines = [
    `${waits ? '1. ' : ''}${first}`,
    `   ${place.link}`,
    ...(waits
      ? [
          `2. Press "Join" and open the window for 5 minutes. The sensor ${unknown.deviceId} appears there.`,
          '3. Press "Approve" and paste its key, as it would stand on its label:',
          `   ${unknown.key}`,
          '   Its curves begin at once.',
        ]
      : [
          `The sensor ${unknown.deviceId} ${isIn(unknown.deviceId) ? 'is approved already' : `is ${state}, so it does not come in`}.`,
          `To begin anew, end the gateway and remove the folder ${place.data}`,
        ]),
    ...(isIn(known) ? [`The sensor ${known} is registered already.`] : []),
    ...(isIn(wrong) ? [`${wrong} has a wrong key, as an impostor would: attempts are counted as wrong keys.`] : []),
    'Ctrl-C ends the gateway.',
  ]
  return { waits, text: `Three simulated sensors are running${waits ? '. One waits for you:' : ':'}`, lines }
}
