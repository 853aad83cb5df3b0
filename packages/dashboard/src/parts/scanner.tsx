import { useEffect, useRef, useState } from 'preact/hooks'
import { readKey } from '../key.js'

/** Between two looks at the picture of the camera, ms. */
const LOOK = 200
/** The longest edge of what is searched, pixels. */
const LONGEST = 1_000

/** Finds a key in a QR code: by the camera, or in a picture. The decoder is loaded only now; no picture leaves the page. */
export function Scanner({ onText }: { onText: (text: string) => void }) {
  const [fault, setFault] = useState<string | null>(null)
  const search = async (source: CanvasImageSource, width: number, height: number): Promise<boolean> => {
    const found = await decode(source, width, height)
    if (found === null) return false
    if (readKey(found).kind === 'key') onText(found)
    else setFault('There is a code in the picture, and it is none of a USMP key.')
    return true
  }
  return (
    <div class="scanner">
      {navigator.mediaDevices && <Camera search={search} onFault={setFault} />}
      <label class="file">
        Or choose a picture of the code
        <input
          type="file"
          accept="image/*"
          onChange={async (event) => {
            const file = event.currentTarget.files?.[0]
            if (!file) return
            setFault(null)
            try {
              const picture = await createImageBitmap(file)
              if (!(await search(picture, picture.width, picture.height))) setFault('No code was found in the picture.')
            } catch {
              setFault('This file is no picture that the browser can read.')
            }
          }}
        />
      </label>
      {fault && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
    </div>
  )
}

type Search = (source: CanvasImageSource, width: number, height: number) => Promise<boolean>

function Camera({ search, onFault }: { search: Search; onFault: (fault: string) => void }) {
  const video = useRef<HTMLVideoElement>(null)
  const [on, setOn] = useState(false)

  useEffect(() => {
    if (!on) return
    let stream: MediaStream | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let over = false
    const look = async () => {
      const seen = video.current
      if (over || !seen) return
      if (seen.videoWidth > 0) await search(seen, seen.videoWidth, seen.videoHeight)
      timer = setTimeout(look, LOOK)
    }
    navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } }).then(
      async (opened) => {
        stream = opened
        if (over || !video.current) return stop()
        video.current.srcObject = opened
        await video.current.play()
        await look()
      },
      () => onFault('The browser gave no camera. Allow it for this page, or choose a picture.'),
    )
    const stop = () => {
      for (const track of stream?.getTracks() ?? []) track.stop()
    }
    return () => {
      over = true
      clearTimeout(timer)
      stop()
    }
  }, [on])

  if (!on)
    return (
      <button type="button" class="button" onClick={() => setOn(true)}>
        Use the camera
      </button>
    )
  return <video ref={video} muted playsInline aria-label="Picture of the camera" />
}

/** The text of a QR code, null if none is found. */
async function decode(source: CanvasImageSource, width: number, height: number): Promise<string | null> {
  const scale = Math.min(1, LONGEST / Math.max(width, height))
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)))
  const context = canvas.getContext('2d', { willReadFrequently: true })!
  context.drawImage(source, 0, 0, canvas.width, canvas.height)
  const picture = context.getImageData(0, 0, canvas.width, canvas.height)
  const { default: decodeQR } = await import('qr/decode.js')
  try {
    return decodeQR(picture, { timeLimit: 150 })
  } catch {
    return null
  }
}
