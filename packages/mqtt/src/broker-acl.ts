import { checkOptions, oneOf, type TableOf, text } from '@usmp/core/options'
import { topicName, topicsOf } from './topics.js'

/** Options of {@link brokerAcl}. */
export interface AclOptions {
  /** Whose access list: the file of `acl_file` for mosquitto, `acl.conf` for EMQX. */
  readonly broker: 'mosquitto' | 'emqx'
  /** As the gateway has it. */
  readonly site: string
  /** The gateway's user at the broker; default `gateway`. */
  readonly gatewayUser?: string
}

/** Names a user that files take as it is. */
const user = {
  ...text,
  expected: 'a name of 1 to 64 letters, digits and . _ -',
  fits: (value: unknown) => typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value),
}
/** Of {@link brokerAcl}. */
export const aclTable: TableOf<AclOptions> = {
  broker: { ...oneOf('mosquitto', 'emqx'), required: true },
  site: { ...topicName, required: true },
  gatewayUser: user,
}

/**
 * The access list of a broker, as text for its file. Each device is a user whose name is its id, 12 lower-case hex digits, and reaches its own
 * topics only. The list protects the availability: secrecy and identity do not depend on the broker.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function brokerAcl(options: AclOptions): string {
  checkOptions('brokerAcl', options, aclTable)
  const { broker, site, gatewayUser = 'gateway' } = options
  return broker === 'mosquitto' ? mosquittoAcl(site, gatewayUser) : emqxAcl(site, gatewayUser)
}

function mosquittoAcl(site: string, gatewayUser: string): string {
  const topics = topicsOf(site)
  return `# mosquitto.conf needs: allow_anonymous false, password_file, and acl_file with the path of this file.
# It should have set_tcp_nodelay true, and message_size_limit 1024, or 65536 if the bridge to Home Assistant uses this broker too.
user ${gatewayUser}
topic read ${topics.allUp}
topic read ${topics.allWills}
topic write usmp/${site}/+/+/down
topic readwrite ${topics.allPresences}

# Every other user: a device, named by its id.
pattern write usmp/${site}/+/%u/up
pattern write usmp/${site}/+/%u/lwt
pattern read usmp/${site}/+/%u/down
pattern read ${topics.allPresences}
`
}

function emqxAcl(site: string, gatewayUser: string): string {
  const topics = topicsOf(site)
  const list = (...entries: string[]) => `[${entries.map((entry) => `"${entry}"`).join(', ')}]`
  return `%% EMQX needs: authentication for every client, and authorization.no_match = deny.
{allow, {user, "${gatewayUser}"}, subscribe, ${list(topics.allUp, topics.allWills, topics.allPresences)}}.
{allow, {user, "${gatewayUser}"}, publish, ${list(`usmp/${site}/+/+/down`, topics.allPresences)}}.
%% Every other user: a device, named by its id.
{allow, all, publish, ${list(`usmp/${site}/+/\${username}/up`, `usmp/${site}/+/\${username}/lwt`)}}.
{allow, all, subscribe, ${list(`usmp/${site}/+/\${username}/down`, topics.allPresences)}}.
{deny, all, all, ${list(`usmp/${site}/#`)}}.
`
}
