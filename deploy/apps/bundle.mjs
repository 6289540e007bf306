// Bundles a Worker: `node bundle.mjs`, with what to do as JSON on standard input:
//   directory, main, outfile
//   host      the directory of the modules that the host of hubs has for `cloudflare:` ones
//   rules     [["text" | "data" | "wasm", regular expression over absolute paths], ...]; the first that fits counts
//   options   further ones of esbuild
// Says on standard output, as JSON, what the bundle exports and which files it was made of; on standard error what
// esbuild says. Packages see what they would see in a Worker: the conditions workerd, worker and browser.
import fs from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const task = JSON.parse(fs.readFileSync(0, 'utf8'));

// The project's own esbuild knows the syntax that the project was written for; Debian's is there without it.
function findEsbuild() {
  try {
    return createRequire(path.join(task.directory, 'package.json'))('esbuild');
  } catch {
    const libraries = fs.readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/nodejs/esbuild/lib/main.js`);
    const library = libraries.find((name) => fs.existsSync(name));
    if (library === undefined) {
      console.error('There is no esbuild: the Debian package of that name has it.');
      process.exit(1);
    }
    process.env.ESBUILD_BINARY_PATH = '/usr/bin/esbuild'; // a node that is not Debian's would not find it
    return createRequire(import.meta.url)(library);
  }
}

const inputs = new Set([task.main]);

// What the host offers is not bundled: the bundle and the host have to share one instance of it.
const cloudflare = {
  name: 'cloudflare',
  setup(build) {
    build.onResolve({ filter: /^cloudflare:/ }, ({ path: name }) => {
      const file = path.join(task.host, `${name.replace(/\W/g, '_')}.mjs`);
      if (name === 'cloudflare:workers' || fs.existsSync(file)) return { path: pathToFileURL(file).href, external: true };
      return { path: name, namespace: 'absent', warnings: [{ text: `${name} is not supported: what it exports throws` +
        ' when it is used' }] };
    });
    // An import of any name succeeds; to touch one throws. esbuild gives an imported object the prototype that it had.
    build.onLoad({ filter: /.*/, namespace: 'absent' }, ({ path: name }) => ({
      contents: `module.exports = Object.create(new Proxy({}, { get(_, key) {
        if (typeof key === 'symbol' || key === '__esModule' || key === 'then') return undefined;
        throw new Error(${JSON.stringify(name)} + ' is not supported by Dormouse: ' + key);
      } }));`,
    }));
  },
};

const builtins = {
  name: 'builtins',
  setup(build) {
    build.onResolve({ filter: /^[\w:/]+$/ }, ({ path: name }) => {
      if (isBuiltin(name)) return { path: name.startsWith('node:') ? name : `node:${name}`, external: true };
      if (name.startsWith('node:')) return { errors: [{ text: `Node ${process.version} has no ${name}` }] };
      return undefined;
    });
  },
};

// Files that are modules by their name: text is a string, data an ArrayBuffer, wasm a WebAssembly.Module.
const modules = {
  name: 'modules',
  setup(build) {
    const rules = task.rules.map(([kind, pattern]) => [kind, new RegExp(pattern)]);
    const any = new RegExp(task.rules.map(([, pattern]) => pattern).join('|'));
    build.onLoad({ filter: any, namespace: 'file' }, async ({ path: file }) => {
      inputs.add(file);
      const [kind] = rules.find(([, pattern]) => pattern.test(file)) ?? [];
      if (kind === undefined) return undefined;
      if (kind === 'text') return { contents: await fs.promises.readFile(file), loader: 'text' };
      const value = kind === 'wasm' ? 'new WebAssembly.Module(bytes)' : 'bytes.buffer';
      return { contents: `import bytes from ${JSON.stringify(`bytes:${file}`)}; export default ${value};`,
        resolveDir: path.dirname(file) };
    });
    build.onResolve({ filter: /^bytes:/ }, ({ path: name }) => ({ path: name.slice('bytes:'.length),
      namespace: 'bytes' }));
    build.onLoad({ filter: /.*/, namespace: 'bytes' }, async ({ path: file }) => ({
      contents: await fs.promises.readFile(file), loader: 'binary',
    }));
  },
};

const { define, ...options } = task.options;
try {
  const { metafile } = await findEsbuild().build({
    absWorkingDir: task.directory,
    entryPoints: [task.main],
    outfile: task.outfile,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    target: 'node18',
    sourcemap: true,
    keepNames: true,
    metafile: true,
    logLevel: 'warning',
    color: false,
    logLimit: 20,
    define: { 'process.env.NODE_ENV': '"development"', 'navigator.userAgent': '"Cloudflare-Workers"', ...define },
    // For require() of Node's own modules in packages of CommonJS.
    banner: { js: 'import { createRequire as dormouseCreateRequire } from "node:module";' +
      ' const require = dormouseCreateRequire(import.meta.url);' },
    plugins: [cloudflare, builtins, modules],
    ...options,
  });
  for (const name of Object.keys(metafile.inputs)) {
    if (!/^(absent|bytes|\(disabled\)):/.test(name)) inputs.add(path.resolve(task.directory, name.replace(/\?.*$/, '')));
  }
  const entry = Object.values(metafile.outputs).find((output) => output.entryPoint !== undefined);
  process.stdout.write(JSON.stringify({ exports: entry.exports, inputs: [...inputs].sort() }));
} catch (error) {
  if (error.errors === undefined) console.error(error); // else esbuild has said it
  process.exitCode = 1;
}
