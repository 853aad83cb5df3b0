// What chromium.mjs runs in the page.
import { CipherSuite, connect } from '@usmp/browser'

globalThis.play = async ({ at, id, suite, rekey, psk, sizes }) => {
  const session = await connect(`ws://${at}`, {
    deviceId: id,
    psk: Uint8Array.from(psk),
    suite: suite === 'aes' ? CipherSuite.AES_256_GCM : CipherSuite.CHACHA20_POLY1305,
  })
  await globalThis.say('connected', session.sessionId)
  await exchange(session, sizes)
  await session.ping()
  if (rekey) {
    await session.rekey()
    await exchange(session, sizes)
    await globalThis.say('rekeyed')
  }
  await session.close()
  return (await session.closed).code
}

async function exchange(session, sizes) {
  for (const size of sizes) {
    const sent = Uint8Array.from({ length: size }, (_, i) => (7 * i + size) & 0xff)
    await session.send(sent)
    const echo = await session.receive()
    if (!echo || echo.length !== size || echo.some((byte, i) => byte !== sent[i])) {
      throw new Error(`${size} bytes did not come back`)
    }
  }
  await globalThis.say('echoed', sizes.length)
}
