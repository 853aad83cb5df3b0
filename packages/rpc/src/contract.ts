import { UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import type { GenericSchema, InferInput, InferOutput } from 'valibot'
import { contractTable } from './options.js'

/** A valibot schema that checks at once, without promises. */
export type Schema = GenericSchema

/**
 * What one end answers: for every method what goes in and what comes out. Parameters are always objects. A method is
 * either a request or a stream.
 */
export interface Contract {
  readonly requests?: Readonly<Record<string, { readonly params: Schema; readonly result: Schema }>>
  /** Messages that are not answered: the schema of their parameters. */
  readonly notifications?: Readonly<Record<string, Schema>>
  /** Requests that are answered with any number of items. */
  readonly streams?: Readonly<Record<string, { readonly params: Schema; readonly item: Schema }>>
}

/** A contract without any method. */
export type EmptyContract = Record<never, never>

type Part<C, K extends keyof Contract> = C extends { readonly [P in K]: infer D } ? D : EmptyContract
type Sent<S> = S extends Schema ? InferInput<S> : never
type Received<S> = S extends Schema ? InferOutput<S> : never
type Field<D, K extends PropertyKey> = D extends { readonly [P in K]: infer S } ? S : never

/** The names of the requests of a contract. */
export type RequestName<C> = keyof Part<C, 'requests'> & string
/** The names of the notifications of a contract. */
export type NotificationName<C> = keyof Part<C, 'notifications'> & string
/** The names of the streams of a contract. */
export type StreamName<C> = keyof Part<C, 'streams'> & string

type Definition<C, K extends keyof Contract, M> = M extends keyof Part<C, K> ? Part<C, K>[M] : never

/** What a caller passes. */
export type RequestParams<C, M> = Sent<Field<Definition<C, 'requests', M>, 'params'>>
/** What a caller gets. */
export type RequestResult<C, M> = Received<Field<Definition<C, 'requests', M>, 'result'>>
/** What a notifier passes. */
export type NotificationParams<C, M> = Sent<Definition<C, 'notifications', M>>
/** What a consumer passes to open a stream. */
export type StreamParams<C, M> = Sent<Field<Definition<C, 'streams', M>, 'params'>>
/** What a consumer gets one after another. */
export type StreamItem<C, M> = Received<Field<Definition<C, 'streams', M>, 'item'>>

/** What a handler is told besides its parameters. */
export interface CallContext {
  /** Aborts when the peer cancels, stops the stream, or the session ends. */
  readonly signal: AbortSignal
}

type MaybePromise<T> = T | Promise<T>

/** The items of a served stream, and what happens to those that the consumer has no room for. */
export type ServedStream<P, I> =
  | {
      /** `block`: the source waits. `keepLatest`: only the newest item waits. */
      readonly overflow: 'block' | 'keepLatest'
      readonly items: (params: P, context: CallContext) => AsyncIterable<I>
    }
  | {
      /** At most `buffer` items wait; the oldest makes room. */
      readonly overflow: 'dropOldest'
      readonly buffer: number
      readonly items: (params: P, context: CallContext) => AsyncIterable<I>
    }

/** One function for each request of a contract. */
export type RequestHandlers<C> = {
  readonly [M in RequestName<C>]: (
    params: Received<Field<Definition<C, 'requests', M>, 'params'>>,
    context: CallContext,
  ) => MaybePromise<Sent<Field<Definition<C, 'requests', M>, 'result'>>>
}

/** Functions for notifications of a contract; those without one are ignored. */
export type NotificationHandlers<C> = {
  readonly [M in NotificationName<C>]?: (
    params: Received<Definition<C, 'notifications', M>>,
    context: CallContext,
  ) => MaybePromise<void>
}

/** A source for each stream of a contract. */
export type StreamHandlers<C> = {
  readonly [M in StreamName<C>]: ServedStream<
    Received<Field<Definition<C, 'streams', M>, 'params'>>,
    Sent<Field<Definition<C, 'streams', M>, 'item'>>
  >
}

/**
 * Checks the names of a contract and returns it with its types.
 * @throws UsmpError INVALID_ARGUMENT if a method is a request and a stream, or has a reserved name (`$/…`, `rpc.…`)
 */
export function contract<const C extends Contract>(methods: C): C {
  checkOptions('contract', methods, contractTable)
  const { requests = {}, notifications = {}, streams = {} } = methods
  for (const name of [requests, notifications, streams].flatMap((part) => Object.keys(part))) {
    assertMethodName(name)
  }
  for (const name of Object.keys(streams)) {
    if (Object.hasOwn(requests, name)) {
      throw new UsmpError('INVALID_ARGUMENT', `${name} is a request and a stream; it can be one of them`)
    }
  }
  return methods
}

/**
 * Checks the name of a method.
 * @throws UsmpError INVALID_ARGUMENT if it is reserved
 */
export function assertMethodName(name: string): void {
  if (/^(\$\/|rpc\.)/.test(name)) throw new UsmpError('INVALID_ARGUMENT', `the method name ${name} is reserved`)
}
