import { effect, signal } from '@preact/signals'

const KEY = 'usmp.dense'

/** Lower rows, remembered by this browser. */
export const dense = signal(localStorage.getItem(KEY) === 'yes')

effect(() => {
  localStorage.setItem(KEY, dense.value ? 'yes' : 'no')
})
