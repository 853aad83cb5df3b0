import type { ComponentChildren } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { connected } from '../state/link.js'
import { FormFault } from './field.js'
import { Skeleton } from './page.js'

export interface Loaded<T> {
  readonly data: T | null
  readonly error: unknown
  readonly reload: () => Promise<void>
}

/** Asks for something when a part is shown, and again when the connection is back; `every` repeats it, ms. */
export function useLoaded<T>(load: () => Promise<T>, inputs: readonly unknown[], every?: number): Loaded<T> {
  const [data, setData] = useState<T | null>(null)
  const [error, setError] = useState<unknown>(null)
  const isConnected = connected.value

  const reload = useCallback(async () => {
    try {
      setData(await load())
      setError(null)
    } catch (failure) {
      setError(failure)
    }
  }, inputs)

  useEffect(() => {
    if (!isConnected) return
    void reload()
    if (every === undefined) return
    const timer = setInterval(reload, every)
    return () => clearInterval(timer)
  }, [reload, every, isConnected])

  return { data, error, reload }
}

/** What has been loaded; before that room for it, and the reason when there is nothing to show. */
export function Show<T>({
  of: { data, error, reload },
  what,
  lines = 6,
  children,
}: {
  of: Loaded<T>
  what: string
  lines?: number
  children: (data: T) => ComponentChildren
}) {
  return (
    <>
      {error !== null && (
        <div class="row-gap">
          <FormFault error={error} />
          <button type="button" class="button small" onClick={reload}>
            Try again
          </button>
        </div>
      )}
      {data !== null ? children(data) : error === null && <Skeleton what={what} lines={lines} />}
    </>
  )
}
