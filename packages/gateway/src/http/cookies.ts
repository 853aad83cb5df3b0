import { parse, serialize } from 'hono/utils/cookie'
import { LOGIN_LIFE } from '../access/logins.js'

/** The cookie of a login. Without https a browser takes neither `Secure` nor the prefix `__Host-`. */
export class Cookies {
  readonly #https: boolean
  readonly #name: string

  /** @param https whether browsers speak https with this server */
  constructor(https: boolean) {
    this.#https = https
    this.#name = https ? '__Host-usmp' : 'usmp'
  }

  read(header = ''): string | undefined {
    return parse(header, this.#name)[this.#name]
  }

  /** @returns the header Set-Cookie; null removes the cookie */
  write(value: string | null): string {
    return serialize(this.#name, value ?? '', {
      path: '/',
      httpOnly: true,
      secure: this.#https,
      sameSite: 'Strict',
      maxAge: value === null ? 0 : LOGIN_LIFE / 1000,
    })
  }
}
