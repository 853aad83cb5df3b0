import { signal } from '@preact/signals'

/** Dangerous acts need the password again. The dialog answers: given, or not wanted. */
export const stepUpAsked = signal<((given: boolean) => void) | null>(null)
let asking: Promise<boolean> | null = null

/** Asks for the password; several acts that wait share one question. */
export function askStepUp(): Promise<boolean> {
  asking ??= new Promise<boolean>((resolve) => {
    stepUpAsked.value = (given) => {
      asking = null
      stepUpAsked.value = null
      resolve(given)
    }
  })
  return asking
}
