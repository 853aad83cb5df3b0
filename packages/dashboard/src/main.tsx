import { render } from 'preact'
import { App } from './app.js'
import { startRouter } from './router.js'
import { startClock } from './state/clock.js'

startClock()
startRouter()
render(<App />, document.getElementById('app')!)
