import type { ComponentChildren } from 'preact'
import { path } from '../router.js'
import { allRows } from '../state/devices.js'
import { pausedRollouts } from '../state/rollouts.js'
import { me } from '../state/session.js'
import { shown } from '../text.js'
import { Banners } from './banner.js'
import { Icon, type IconName } from './icon.js'
import { JoinButton } from './join-button.js'
import { LinkDots } from './link-dots.js'
import { UserMenu } from './user-menu.js'

const PLACES: readonly { readonly to: string; readonly word: string; readonly icon: IconName }[] = [
  { to: '/', word: 'Devices', icon: 'devices' },
  { to: '/updates', word: 'Updates', icon: 'updates' },
  { to: '/audit', word: 'Audit', icon: 'audit' },
  { to: '/system', word: 'System', icon: 'system' },
  { to: '/users', word: 'Users', icon: 'users' },
]

/** What stands around every page: the bar above, and the ways to the other pages. */
export function Frame({ children }: { children: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#main" target="_self">
        Skip to the content
      </a>
      <header class="bar">
        <a class="brand" href="/">
          <Mark />
          <span class="site">{shown(me.value?.site ?? '', 32)}</span>
        </a>
        <LinkDots />
        <JoinButton />
        <UserMenu />
      </header>
      <nav class="rail" aria-label="Pages">
        {PLACES.map(({ to, word, icon }) => (
          <a key={to} href={to} aria-current={isHere(to) ? 'page' : undefined}>
            <Icon name={icon} />
            <span>{word}</span>
            {to === '/' && <Waiting />}
            {to === '/updates' && <Count count={pausedRollouts.value} word="paused" />}
          </a>
        ))}
      </nav>
      <main id="main" tabIndex={-1}>
        <Banners />
        {children}
      </main>
    </>
  )
}

function isHere(to: string): boolean {
  return to === '/' ? path.value === '/' || path.value.startsWith('/d/') : path.value.startsWith(to)
}

/** How many devices wait for somebody. */
function Waiting() {
  const count = allRows.value.filter((row) => row.device.peek().state === 'waiting').length
  return <Count count={count} word="waiting" />
}

function Count({ count, word }: { count: number; word: string }) {
  if (count === 0) return null
  return (
    <span class="count">
      {count}
      <span class="sr"> {word}</span>
    </span>
  )
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" class="mark-ground" />
      <g fill="none" class="mark-line" stroke-width="2.6" stroke-linecap="round">
        <path d="M9 10v7a7 7 0 0 0 14 0v-7" />
        <path d="M16 6v9" />
      </g>
      <circle cx="16" cy="17" r="2.4" class="mark-dot" />
    </svg>
  )
}
