import { describeProvider } from '@usmp/testing/provider-suite'
import { nobleProvider } from '../src/crypto-noble.ts'

for (const provider of [nobleProvider]) describeProvider(provider)
