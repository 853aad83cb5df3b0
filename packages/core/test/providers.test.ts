import { nobleProvider } from '../src/crypto-noble.ts'
import { describeProvider } from './provider-suite.ts'

for (const provider of [nobleProvider]) describeProvider(provider)
