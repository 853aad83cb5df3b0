import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import type { ConnectionOptions } from 'node:tls'
import { UsmpError } from '@usmp/core'
import * as v from 'valibot'
import { apiError, errorStatus, type GatewayErrorCode } from '../contract/errors.js'
import {
  type Image,
  image,
  imageList,
  MAX_BUNDLE,
  type Rollout,
  type RolloutDetail,
  rollout,
  rolloutDetail,
  rolloutList,
} from '../contract/rollouts.js'
import { GatewayError } from '../errors.js'
import { isLoopback } from '../http/address.js'
import type { RolloutBody } from '../operations.js'
import { fileFailed } from '../store/failure.js'
import { askGateway } from './control.js'

/** ms without anything from the gateway. */
const TIMEOUT = 60_000
/** Bytes of the longest answer: a roll-out with all its devices. */
const MAX_ANSWER = 8 * 1024 * 1024

/** Where the HTTP API of a gateway is, and what lets a program in. */
export interface ApiPlace {
  /** Without a slash at the end. */
  readonly url: string
  readonly token: string
  /** Certificates to trust instead of the well-known ones, PEM. */
  readonly ca?: string | undefined
}

const localApi = v.object({ url: v.string(), token: v.string(), certificate: v.nullable(v.string()) })

/**
 * A client of the gateway that runs on this machine with this folder, with the rights of an admin.
 * @throws GatewayError WRONG_STATE if none runs, or it cannot be asked
 */
export async function clientOfFolder(folder: string): Promise<GatewayClient> {
  const answer = await askGateway(folder, { command: 'api' })
  if (answer?.result) {
    const { url, token, certificate } = v.parse(localApi, JSON.parse(answer.result))
    return new GatewayClient({ url, token }, certificate)
  }
  throw new GatewayError('WRONG_STATE', `no gateway runs with the folder ${folder}`, {
    hint: 'Start it with `usmp gateway`, or name its folder with --data. Of another machine: --url and --token-file.',
  })
}

/**
 * A client of a gateway anywhere.
 * @throws GatewayError INVALID if the token would be sent in the clear
 */
export function clientOf(place: ApiPlace): GatewayClient {
  const url = URL.canParse(place.url) ? new URL(place.url) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new GatewayError('INVALID', `${JSON.stringify(place.url)} is not the address of a gateway`, {
      hint: 'It looks like https://gateway.example:8700.',
    })
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname.replace(/^\[|\]$/g, ''))) {
    throw new GatewayError('INVALID', 'the token would cross the network in the clear', {
      hint: 'Use https://. For a certificate that the gateway has signed by itself, add --ca with the file https-cert.pem of its folder.',
    })
  }
  return new GatewayClient({ ...place, url: url.origin })
}

/** Calls the HTTP API as a program does. Every method throws GatewayError with the code of the gateway, or UsmpError UNREACHABLE. */
export class GatewayClient {
  readonly #place: ApiPlace
  /** The one certificate that is taken, whatever name is in it. */
  readonly #pinned: string | null

  /** @param pinned certificate of a gateway on this machine, PEM */
  constructor(place: ApiPlace, pinned: string | null = null) {
    this.#place = place
    this.#pinned = pinned
  }

  async images(): Promise<readonly Image[]> {
    return (await this.#json('GET', '/api/images', imageList)).images
  }

  /** Uploads a bundle from a file. */
  async addImage(path: string): Promise<Image> {
    const size = (await stat(path).catch((error) => Promise.reject(fileFailed('read', path, error)))).size
    if (size > MAX_BUNDLE)
      throw new GatewayError('TOO_LARGE', `${path} has ${size} bytes; a gateway takes ${MAX_BUNDLE}`)
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) }
    return this.#call('POST', '/api/images', image, headers, (request) => pipeline(createReadStream(path), request))
  }

  async rollouts(): Promise<readonly Rollout[]> {
    return (await this.#json('GET', '/api/rollouts', rolloutList)).rollouts
  }

  rollout(id: string): Promise<RolloutDetail> {
    return this.#json('GET', `/api/rollouts/${encodeURIComponent(id)}`, rolloutDetail)
  }

  startRollout(body: RolloutBody<'startRollout'>): Promise<Rollout> {
    return this.#json('POST', '/api/rollouts', rollout, body)
  }

  /** Pauses, resumes, aborts a roll-out, or tries its devices again. */
  command(
    id: string,
    command: 'pause' | 'resume' | 'abort' | 'retry',
    body: { readonly rev: number; readonly reason?: string; readonly ids?: readonly string[] },
  ): Promise<Rollout> {
    return this.#json('POST', `/api/rollouts/${encodeURIComponent(id)}/${command}`, rollout, body)
  }

  #json<T>(method: string, path: string, schema: v.GenericSchema<unknown, T>, body?: object): Promise<T> {
    const text = body && JSON.stringify(body)
    const headers: Record<string, string> = text === undefined ? {} : { 'content-type': 'application/json' }
    return this.#call(method, path, schema, headers, async (request) => void request.end(text))
  }

  async #call<T>(
    method: string,
    path: string,
    schema: v.GenericSchema<unknown, T>,
    headers: Record<string, string>,
    send: (request: ReturnType<typeof httpRequest>) => Promise<void>,
  ): Promise<T> {
    const { url, token, ca } = this.#place
    const target = new URL(path, url)
    const options: RequestOptions & TlsOptions = {
      method,
      headers: { ...headers, authorization: `Bearer ${token}` },
      timeout: TIMEOUT,
      ...(this.#pinned === null ? ca !== undefined && { ca } : pinnedTo(this.#pinned)),
    }
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, options, resolve)
      request.on('error', reject)
      request.on('timeout', () => request.destroy(new Error('nothing comes any more')))
      // An answer may come before all is sent: it says why.
      send(request).catch(reject)
    }).catch((error) => {
      throw unreachable(url, error)
    })
    return parseAnswer(url, answer, schema)
  }
}

type TlsOptions = Pick<ConnectionOptions, 'ca' | 'allowPartialTrustChain' | 'checkServerIdentity'>

/** The gateway of this machine has told its certificate itself, so this one is trusted, whoever has signed it and for whatever name. */
function pinnedTo(certificate: string): TlsOptions {
  return { ca: certificate, allowPartialTrustChain: true, checkServerIdentity: () => undefined }
}

async function parseAnswer<T>(url: string, answer: IncomingMessage, schema: v.GenericSchema<unknown, T>): Promise<T> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of answer) {
      size += chunk.length
      if (size > MAX_ANSWER) throw new Error('the answer is too long')
      chunks.push(chunk)
    }
  } catch (error) {
    throw unreachable(url, error)
  }
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    value = undefined
  }
  if (v.is(apiError, value)) throw refused(value.error, answer.headers['retry-after'])
  const parsed = v.safeParse(schema, value)
  if (parsed.success) return parsed.output
  throw new GatewayError('INTERNAL', `${url} does not answer as a gateway does (status ${answer.statusCode})`, {
    hint: 'Is it the address of the gateway, and is the gateway as new as this command?',
  })
}

function refused(error: v.InferOutput<typeof apiError>['error'], retryAfter: string | undefined): GatewayError {
  const code = error.code in errorStatus ? (error.code as GatewayErrorCode) : 'INTERNAL'
  return new GatewayError(code, error.message, {
    ...(error.hint !== null && { hint: error.hint }),
    ...(retryAfter !== undefined && { retryAfter: Number(retryAfter) }),
  })
}

function unreachable(url: string, cause: unknown): UsmpError {
  const { code, message } = cause as NodeJS.ErrnoException
  const isCertificate = /CERT|SELF_SIGNED|ALTNAME/.test(code ?? '')
  return new UsmpError('UNREACHABLE', `the gateway at ${url}: ${message}`, {
    cause,
    hint: isCertificate
      ? 'If the gateway has signed its certificate by itself, give it with --ca: the file https-cert.pem of its folder.'
      : 'Does it run, and is the address right?',
  })
}
