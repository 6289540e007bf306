// Static files. What is expected was seen of Cloudflare's own asset server.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import {ignoring} from './worker/asset_ignore.mjs';
import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';

const SOURCE = `
export class Room {}
export default {
  async fetch(request, env) {
    const {pathname, origin} = new URL(request.url);
    if (pathname === '/secrets') {
      try {
        return new Response(await env.SECRETS.get('key'));
      } catch (error) {
        return new Response(error.message);
      }
    }
    if (pathname.startsWith('/via/')) return env.FILES.fetch(new Request(origin + pathname.slice(4), request));
    return new Response('the Worker');
  },
};
`;
const FILES = {
  'index.html': 'root', 'page.html': 'page', 'folder/index.html': 'folder', 'both.html': 'plain',
  'both/index.html': 'in folder', 'style.css': 'css', 'binary': 'binary', 'a b@c.txt': 'odd',
  '404.html': 'no such page', 'deep/404.html': 'no such page, deep', '_headers': 'x', '.assetsignore': '*.key\n', 'server.key': 'secret',
  'large.bin': 'l'.repeat(700_000),
};

async function start(context, assets = {}, compatibilityDate = '2025-10-08') {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dormouse-assets-'));
  context.after(() => fs.rmSync(directory, {recursive: true}));
  for (const [name, text] of Object.entries(FILES)) {
    fs.mkdirSync(path.dirname(path.join(directory, name)), {recursive: true});
    fs.writeFileSync(path.join(directory, name), text);
  }
  const keeper = await FakeStatekeeper.start({source: SOURCE, manifest: {
    bindings: {durable_objects: [{name: 'ROOMS', class_name: 'Room'}]}, compatibility_date: compatibilityDate,
    assets: {directory, binding: 'FILES', ...assets}, unsupported: [{name: 'SECRETS', message: 'No such thing here.'}],
  }});
  context.after(() => keeper.stop());
  return keeper;
}

// "STATUS TEXT", or where it leads.
async function seen(keeper, name, options) {
  const {status, headers, text} = await keeper.http(name, options);
  return headers.location ? `${status} ${headers.location}` : `${status} ${text.length > 100 ? text.length : text}`;
}

async function expect(keeper, answers) {
  for (const [name, answer] of Object.entries(answers)) assert.equal(await seen(keeper, name), answer, name);
}

test('a page has one address, and others lead there', async (context) => {
  await expect(await start(context), {
    '/': '200 root', '/index.html': '307 /', '/index': '307 /', '/page': '200 page', '/page.html?q=1': '307 /page?q=1',
    '/page/': '307 /page', '/page/index.html': '307 /page', '/folder': '307 /folder/', '/folder/': '200 folder',
    '/folder.html': '307 /folder/', '/both': '200 plain', '/both/': '200 in folder', '/both.html': '307 /both',
    '/style.css': '200 css', '/binary': '200 binary', '/a%20b@c.txt': '307 /a%20b%40c.txt', '/a%20b%40c.txt': '200 odd',
    '/%70age': '307 /page', '//page': '307 /page', '/large.bin': '200 700000',
  });
});

test('html_handling: with a slash, without one, not at all', async (context) => {
  await expect(await start(context, {html_handling: 'force-trailing-slash'}), {
    '/page': '307 /page/', '/page/': '200 page', '/folder': '307 /folder/', '/both': '307 /both/',
    '/both.html': '200 plain', '/both/': '200 in folder',
  });
  await expect(await start(context, {html_handling: 'drop-trailing-slash'}), {
    '/page/': '307 /page', '/folder/': '307 /folder', '/folder': '200 folder', '/both/': '307 /both',
    '/both/index.html': '200 in folder', '/': '200 root',
  });
  await expect(await start(context, {html_handling: 'none'}), {
    '/': '200 the Worker', '/page': '200 the Worker', '/page.html': '200 page', '/folder/index.html': '200 folder',
  });
});

test('what is no file is the Worker\'s; what is not to be served is none', async (context) => {
  const keeper = await start(context);
  for (const name of ['/nothing', '/deep/', '/server.key', '/.assetsignore', '/_headers', '/..%2f..%2fetc%2fpasswd',
    '/page%00', '/%']) {
    assert.equal(await seen(keeper, name), '200 the Worker', name);
    assert.equal(await seen(keeper, `/via${name}`), '404 ', name);
  }
  assert.equal(await seen(keeper, '/nothing', {method: 'POST', body: 'x'}), '200 the Worker');
  assert.equal(await seen(keeper, '/page', {method: 'POST', body: 'x'}), '405 ');
});

test('not_found_handling is for the binding and for browsers that navigate', async (context) => {
  const navigating = {headers: {'sec-fetch-mode': 'navigate'}};
  const page = await start(context, {not_found_handling: '404-page'});
  assert.equal(await seen(page, '/nothing'), '200 the Worker');
  assert.equal(await seen(page, '/nothing', navigating), '404 no such page');
  assert.equal(await seen(page, '/via/deep/nothing'), '404 no such page, deep');
  const app = await start(context, {not_found_handling: 'single-page-application'});
  assert.equal(await seen(app, '/nothing', navigating), '200 root');
  assert.equal(await seen(app, '/via/nothing'), '200 root');
  const older = await start(context, {not_found_handling: 'single-page-application'}, '2025-03-31');
  assert.equal(await seen(older, '/nothing', navigating), '200 the Worker');
});

test('run_worker_first: always, or for patterns', async (context) => {
  const all = await start(context, {run_worker_first: true});
  assert.equal(await seen(all, '/page'), '200 the Worker');
  assert.equal(await seen(all, '/via/page'), '200 page');
  const some = await start(context, {run_worker_first: ['/p*', '!/page/api/*'], not_found_handling: '404-page'});
  await expect(some, {
    '/page': '200 the Worker', '/page/api/x': '404 no such page', '/style.css': '200 css', '/x': '404 no such page',
  });
});

test('headers: type, tag, nothing twice', async (context) => {
  const keeper = await start(context);
  const {headers} = await keeper.http('/page');
  assert.equal(headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(headers['cache-control'], 'public, max-age=0, must-revalidate');
  const again = await keeper.http('/page', {headers: {'if-none-match': headers.etag}});
  assert.deepEqual([again.status, again.text], [304, '']);
  const head = await keeper.http('/large.bin', {method: 'HEAD'});
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, '700000', '']);
});

test('a binding that there is not says so when it is used', async (context) => {
  assert.equal(await seen(await start(context), '/secrets'), '200 No such thing here.');
});

test('.assetsignore reads as .gitignore does', () => {
  const ignored = ignoring('# none\n*.key\n/top\nfolder/\na/**/z\n!kept.key\nb[0-9].txt\n');
  const all = ['x.key', 'deep/x.key', 'top', 'top/x', 'folder/x', 'deep/folder/x', 'a/z', 'a/b/c/z', 'b1.txt'];
  assert.deepEqual(all.filter(ignored), all);
  assert.deepEqual(['kept.key', 'deep/top', 'folder', 'az', 'bx.txt', '# none'].filter(ignored), []);
});
