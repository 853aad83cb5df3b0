import { toJsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema'
import type { GenericSchema } from 'valibot'
import { apiError, errorStatus, type GatewayErrorCode } from '../contract/errors.js'
import * as contract from '../contract.js'
import type { Params, Route } from './route.js'

/** Bodies that have a name in the contract, as `Device`. */
const DEFINITIONS: Record<string, GenericSchema> = Object.fromEntries(
  Object.entries(contract)
    .filter((entry): entry is [string, GenericSchema & typeof contract.device] => isObjectSchema(entry[1]))
    .map(([name, schema]) => [name[0]!.toUpperCase() + name.slice(1), schema]),
)
const OPTIONS = {
  target: 'draft-2020-12',
  typeMode: 'input',
  errorMode: 'ignore',
  overrideRef: ({ referenceId }: { referenceId: string }) => `#/components/schemas/${referenceId}`,
} as const

/** The description of the API in OpenAPI 3.1, made of the table of its routes. */
export function describe(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) (paths[route.path] ??= {})[route.method] = describeRoute(route)
  return {
    openapi: '3.1.0',
    info: {
      title: 'USMP gateway',
      version,
      description:
        'Devices, approval, requests, telemetry, updates and users of a USMP gateway. The WebSocket /api/live sends a snapshot and then each change, with the same login or token.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: toJsonSchemaDefs(DEFINITIONS, OPTIONS),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token that an admin has made.' },
        login: { type: 'apiKey', in: 'cookie', name: '__Host-usmp', description: '`usmp` on loopback without https.' },
      },
    },
  }
}

function describeRoute(route: Route): Record<string, unknown> {
  return {
    operationId: route.id,
    summary: route.summary,
    description: roleText(route),
    security: route.role === 'everybody' ? [] : [...(route.person ? [] : [{ token: [] }]), { login: [] }],
    parameters: [...parameters('path', route.params), ...parameters('query', route.query)],
    ...(route.body && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body) } } },
    }),
    ...(route.upload && {
      requestBody: {
        required: true,
        content: { [route.upload]: { schema: { type: 'string', format: 'binary', maxLength: route.maxBody } } },
      },
    }),
    responses: { ...success(route), ...failures(errorsOf(route)) },
  }
}

function roleText({ role, person, stepUp }: Route): string {
  if (role === 'everybody') return 'For everybody, without a login.'
  const texts = [`Needs the role ${role}${role === 'admin' ? '' : ' or one above it'}.`]
  if (person) texts.push('For people only, not for tokens.')
  if (stepUp) texts.push('People have to give their password again, within the last 5 minutes.')
  return texts.join(' ')
}

/** All codes that a route can answer with. */
export function errorsOf({
  role,
  person,
  stepUp,
  params,
  query,
  body,
  upload,
  errors = [],
}: Route): GatewayErrorCode[] {
  const codes = new Set<GatewayErrorCode>(['FOREIGN_ORIGIN', 'INTERNAL', ...errors])
  if (params || query || body || upload) codes.add('INVALID')
  if (body || upload) codes.add('TOO_LARGE')
  if (role !== 'everybody') codes.add('UNAUTHENTICATED')
  if (person || role === 'operator' || role === 'admin') codes.add('FORBIDDEN')
  if (stepUp) codes.add('STEP_UP_REQUIRED')
  return [...codes]
}

function parameters(place: 'path' | 'query', params: Params | undefined) {
  const { properties = {}, required = [] } = params ? toJsonSchema(params as GenericSchema, OPTIONS) : {}
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema,
  }))
}

function success({ answer }: Route) {
  if (answer === null) return { 204: { description: 'Done.' } }
  const content =
    'json' in answer
      ? { 'application/json': { schema: schemaOf(answer.json) } }
      : Object.fromEntries(answer.files.map((type) => [type, { schema: { type: 'string' } }]))
  return { 200: { description: 'Done.', content } }
}

/** Codes with the same status share an answer. */
function failures(codes: readonly GatewayErrorCode[]) {
  const statuses = [...new Set(codes.map((code) => errorStatus[code]))].sort()
  const namesOf = (status: number) => codes.filter((code) => errorStatus[code] === status)
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      { description: namesOf(status).join(', '), content: { 'application/json': { schema: schemaOf(apiError) } } },
    ]),
  )
}

function schemaOf(schema: GenericSchema) {
  const { $schema: _, $defs: __, ...json } = toJsonSchema(schema, { ...OPTIONS, definitions: DEFINITIONS })
  return json
}

function isObjectSchema(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'schema'
}
