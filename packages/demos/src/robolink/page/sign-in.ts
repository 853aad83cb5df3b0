import type { UsmpError } from '@usmp/core'
import { asUsmpError } from '@usmp/core'
import { byId } from '../../shared/dom.ts'
import { type Credentials, checked } from './address.ts'

const HEADINGS: Partial<Record<string, string>> = {
  INVALID_ARGUMENT: 'This cannot be right',
  HANDSHAKE_REFUSED: 'The hub refuses this key',
  AUTH_FAILED: 'This hub does not know the key',
}
const ADVICE: Partial<Record<string, string>> = {
  INVALID_ARGUMENT: 'Copy the whole line from where the hub was started, or type id and key again.',
  HANDSHAKE_REFUSED:
    'Id and key do not belong together, or the hub does not know this operator. Compare both with the key file of the hub; ' +
    'its log says who was refused, and why.',
  AUTH_FAILED:
    'It did not prove that it holds the key. Is this the right hub, and does its key file have this operator?',
}

/** The form for operator id and key; it also says why the hub refused the last ones. */
export class SignIn {
  readonly #operator = byId<HTMLInputElement>('operator')
  readonly #key = byId<HTMLInputElement>('key')
  readonly #refusal = byId('refusal')

  constructor(onCredentials: (credentials: Credentials) => void) {
    byId('sign-in-form').addEventListener('submit', (event) => {
      event.preventDefault()
      try {
        const credentials = checked({ operator: this.#operator.value, key: this.#key.value })
        this.#key.value = ''
        onCredentials(credentials)
      } catch (error) {
        this.show(asUsmpError(error, 'INVALID_ARGUMENT'))
      }
    })
  }

  /** @param reason why the last credentials were of no use; @param operator the id that they were for */
  show(reason?: UsmpError, operator?: string): void {
    if (operator !== undefined) this.#operator.value = operator
    this.#refusal.hidden = reason === undefined
    if (reason) {
      const detail = reason.code === 'INVALID_ARGUMENT' ? `${reason.message}. ` : ''
      this.#refusal.querySelector('strong')!.textContent = HEADINGS[reason.code] ?? reason.message
      this.#refusal.querySelector('p')!.textContent = `${detail}${ADVICE[reason.code] ?? reason.hint} (${reason.code})`
    }
    const first = this.#operator.value === '' ? this.#operator : this.#key
    first.focus()
  }
}
