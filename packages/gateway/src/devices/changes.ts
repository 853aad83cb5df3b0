import type { AlarmRule } from '../contract/device.js'
import type { DeviceRecord } from './record.js'

/** What a person may change of a device's own settings. */
type Settings = Partial<Pick<DeviceRecord, 'name' | 'group' | 'idleLimit' | 'alarmRules'>>

/** What a person changed, for the audit log: `name "old" → "new", idleLimit 60000 → 30000`. */
export function changesOf(before: DeviceRecord, settings: Settings): string {
  const changed = (Object.keys(settings) as (keyof Settings)[])
    .map((setting) => [setting, textOf(before[setting]), textOf(settings[setting])])
    .filter(([, old, now]) => old !== now)
    .map(([setting, old, now]) => `${setting} ${old} → ${now}`)
  return changed.join(', ') || 'nothing'
}

function textOf(value: Settings[keyof Settings]): string {
  return Array.isArray(value) ? `[${value.map(ruleText).join('; ')}]` : JSON.stringify(value)
}

function ruleText(rule: AlarmRule): string {
  return rule.kind === 'offline' ? `offline ${rule.after}` : `${rule.reading} ${rule.kind} ${rule.limit}`
}
