// What `import ... from "cloudflare:workers"` finds.
const URL_OF = {'cloudflare:workers': new URL('../cloudflare_workers.mjs', import.meta.url).href};

export function resolve(specifier, context, next) {
  const url = URL_OF[specifier];
  return url ? {url, shortCircuit: true, format: 'module'} : next(specifier, context);
}
