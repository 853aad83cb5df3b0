// Pages in every browser engine. Chromium and Firefox are led by libraries of others, WebKit from here.
export { type Engine, findInPage, type Handle } from './engine.js'
export { startWebKit } from './webkit.js'
