import { createSite } from './site.mjs'

const port = Number(process.argv[2] ?? 8137)
const site = await createSite()
site.listen(port, '127.0.0.1', () => console.log(`The playground is at http://127.0.0.1:${site.address().port}/`))
