import encodeQR from 'qr'

/** White on black, whatever the colours of the terminal are: many readers do not take a code that is inverted. */
const COLOURS = '\x1b[97;40m'
const RESET = '\x1b[0m'

/** A QR code as lines for a terminal, two rows of the code in one line. */
export function qrOnTerminal(text: string): string {
  const lines = encodeQR(text, 'ascii', { ecc: 'medium' }).split('\n')
  return lines.map((line) => (line === '' ? '\n' : `${COLOURS}${line}${RESET}\n`)).join('')
}
