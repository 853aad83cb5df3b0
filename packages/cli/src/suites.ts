import { type CipherSuite, cipherSuiteNames } from '@usmp/core'

const suites = Object.entries(cipherSuiteNames).map(([suite, name]) => {
  const long = name.toLowerCase()
  return { suite: Number(suite) as CipherSuite, long, short: long.match(/^[a-z]+/)![0] }
})

/** The names of all suites, for people. */
export const longNames = suites.map(({ long }) => long)
export const shortNames = suites.map(({ short }) => short)

/** The suite of that name, `aes-256-gcm` or `aes`; undefined if there is none. */
export function parseSuite(name: string): CipherSuite | undefined {
  const wanted = name.toLowerCase()
  return suites.find(({ long, short }) => wanted === long || wanted === short)?.suite
}
