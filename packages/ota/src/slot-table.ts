// Which of two slots a boot loader starts: the table of ESP-IDF with CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE, for slots of Node and in memory.
import type { SlotState } from './device-port.js'

/** What a boot loader keeps. */
export interface SlotTable {
  /** The slot that is started next, if its state allows. */
  readonly active: number
  readonly states: readonly [SlotState, SlotState]
}

/** A device as it leaves the factory: an image in slot 0. */
export const factoryTable: SlotTable = { active: 0, states: ['valid', 'undefined'] }

/** The other one of two slots. */
export const otherSlot = (index: number): number => 1 - index

/**
 * What a start does: an image that is new runs on trial, one that was on trial at the last start is given up for the other slot.
 * @returns the slot that is started, and the table to be kept before it is
 * @throws Error if there is no image that may be started
 */
export function startOf(table: SlotTable): { readonly running: number; readonly table: SlotTable } {
  const { active } = table
  switch (table.states[active]!) {
    case 'new':
      return { running: active, table: withState(table, active, 'pending') }
    case 'valid':
      return { running: active, table }
    case 'pending':
      return fallBack(withState(table, active, 'aborted'))
    default:
      return fallBack(table)
  }
}

function fallBack(table: SlotTable): { running: number; table: SlotTable } {
  const running = otherSlot(table.active)
  // What was never confirmed may be half an image.
  if (table.states[running] !== 'valid') throw new Error('no slot has an image that may be started')
  return { running, table: { ...table, active: running } }
}

/** The table with another state for one slot. */
export function withState(table: SlotTable, index: number, state: SlotState): SlotTable {
  const [first, second] = table.states
  return { ...table, states: index === 0 ? [state, second] : [first, state] }
}

/** The table after an image was made active. */
export function activated(table: SlotTable, index: number): SlotTable {
  return { ...withState(table, index, 'new'), active: index }
}
