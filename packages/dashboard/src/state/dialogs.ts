import { signal } from '@preact/signals'

/** The one dialog that is open; the question for the password may stand above it. */
export type OpenDialog =
  | { readonly kind: 'approve'; readonly id: string }
  | { readonly kind: 'add' | 'approve-proven' }
  | { readonly kind: 'revoke' | 'remove' | 'block' | 'replace'; readonly id: string }
  | { readonly kind: 'new-user' | 'new-token' | 'own-password' }
  | { readonly kind: 'change-user' | 'remove-user'; readonly name: string }
  | { readonly kind: 'start-rollout'; readonly image: string | null }
  | { readonly kind: 'remove-image'; readonly image: string }
  | { readonly kind: 'abort-rollout'; readonly id: string }

export const openDialog = signal<OpenDialog | null>(null)

export function closeDialog(): void {
  openDialog.value = null
}
