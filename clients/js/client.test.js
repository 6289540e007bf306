// The client against a scripted hub, on a clock that stands still.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DormouseClient} from './client.js';
import {back, connected, unconnected} from './testing/connected.js';
import {settled} from './testing/manual_clock.js';

const failsWith = (code, more = {}) => ({name: 'DormouseError', code, ...more});

test('introduces itself in 1.0', async () => {
  const {hub, of, client} = await connected({token: 'secret'});
  const [frame] = hub.of('hub:connect');
  assert.deepEqual(frame.payload, {version: '1.0', jwt: 'secret'});
  assert.deepEqual([frame.from, frame.to], ['browser/anna', 'cloudflare/signal-hub']);
  assert.deepEqual([client.state, client.sessionId], ['connected', 'session-1']);
  assert.equal(of('connected')[0].resumed, false);
  assert.deepEqual(hub.socket.protocols, []);
});

test('introduces itself in 0.1, in the canonical form', async () => {
  const {hub} = await connected({protocol: '0.1', token: 'secret', actor: '@(browser/anna)', capabilities: ['chat']});
  const [frame] = hub.of('hub:connect');
  assert.deepEqual(frame.metadata, {protocolVersion: '0.1.0', capabilities: ['chat'], authToken: 'bearer secret'});
  assert.equal(frame.to, '@(cloudflare/signal-hub)');
});

test('a token may be a function, which is asked at each connect', async () => {
  let count = 0;
  const all = await connected({token: async () => `token-${++count}`, upgradeAuth: true});
  assert.deepEqual(all.hub.socket.protocols, ['dormouse', 'bearer.token-1']);
  await all.hub.cut();
  await back(all);
  assert.deepEqual(all.hub.of('hub:connect').map(({payload}) => payload.jwt), ['token-1', 'token-2']);
});

test('a refused token is final', async () => {
  const {hub, client, clock, of} = unconnected({token: 'bad'});
  hub.refuse('hub:connect', 'unauthorized');
  await assert.rejects(client.connect(), failsWith('unauthorized', {retryable: false}));
  assert.equal(client.state, 'disconnected');
  assert.deepEqual(clock.delays, []);
  assert.deepEqual(of('error'), []);  // connect() has said so
});

test('a token that is refused on the way back is an error event, and final', async () => {
  const all = await connected({token: 'short-lived'});
  all.hub.refuse('hub:connect', 'invalid_token');
  await all.hub.cut();
  await all.clock.advance(1000);
  assert.deepEqual(all.of('error').map(({code}) => code), ['invalid_token']);
  assert.equal(all.of('disconnected').at(-1).final, true);
  assert.deepEqual([all.client.state, all.hub.sockets.length], ['disconnected', 2]);
});

test('comes back after 100, 200, 400 ms ...', async () => {
  const {hub, clock, of, client} = await connected();
  hub.accepts = false;
  await hub.cut(1001, 'Going Away');
  await clock.advance(4000);
  assert.deepEqual(of('reconnecting').map(({delay, attempt}) => [attempt, delay]),
                   [[1, 100], [2, 200], [3, 400], [4, 800], [5, 1600], [6, 3200]]);
  hub.accepts = true;
  await clock.advance(3000);
  assert.equal(client.state, 'connected');
  assert.equal(of('disconnected')[0].reason, 'Going Away');
});

test('a connection that lasted starts over with the shortest delay, one that did not goes on', async () => {
  const all = await connected();
  const {hub, clock, client, of} = all;
  for (const lasts of [0, 4000, 6000]) {
    await clock.advance(lasts);
    await hub.cut();
    await back(all);
  }
  assert.deepEqual(of('reconnecting').map(({delay}) => delay), [100, 200, 100]);
  await client.disconnect();
  await client.connect();
  await hub.cut();
  assert.equal(of('reconnecting').at(-1).delay, 100);
});

test('an attempt without an answer is given up after 10 s', async () => {
  const {hub, clock, client, of} = unconnected();
  hub.answer('hub:connect', () => null);
  const connecting = client.connect();
  await clock.advance(10000);
  assert.deepEqual(of('reconnecting').map(({reason}) => reason), ['no answer in time']);
  hub.answerAsUsual('hub:connect');
  await clock.advance(100);
  await connecting;
});

test('heartbeats go at the advertised interval, and a dead connection is noticed', async () => {
  const {hub, clock, of, client} = await connected();
  const acks = [];
  client.on('heartbeat', (ack) => acks.push(ack));
  await clock.advance(90000);
  assert.equal(hub.of('hub:heartbeat').length, 4);
  assert.equal(client.heartbeats.acks, 4);
  assert.deepEqual(acks, [{latency: 0}, {latency: 0}, {latency: 0}, {latency: 0}]);
  hub.answer('hub:heartbeat', () => null);
  await clock.advance(66000);
  assert.deepEqual(of('disconnected').map(({reason}) => reason), ['no answer to 2 heartbeats']);
  hub.answerAsUsual('hub:heartbeat');
  await back({clock, client});
  assert.equal(client.sessionId, 'session-2');
});

test('a hub that is slow with heartbeats only is not given up', async () => {
  const {hub, clock, client} = await connected();
  hub.answer('hub:heartbeat', () => null);
  for (let seconds = 0; seconds < 200; seconds += 10) {
    await clock.advance(10000);
    await hub.forward('chat', seconds);
  }
  assert.deepEqual([client.state, hub.sockets.length], ['connected', 1]);
});

test('disconnect says goodbye and is final', async () => {
  const {hub, clock, client, of} = await connected();
  await client.register();
  await client.disconnect();
  assert.equal(hub.of('hub:disconnect').length, 1);
  assert.equal(client.state, 'disconnected');
  assert.deepEqual(clock.delays, []);
  assert.deepEqual(of('disconnected').map(({final}) => final), [true]);
  assert.deepEqual(of('error'), []);
  assert.throws(() => client.send('a/b', 'x', 1), failsWith('disconnected'));
  await assert.rejects(client.listActors(), failsWith('disconnected'));
  await client.connect();
  assert.equal(client.sessionId, 'session-2');
});

test('disconnect while on its way back', async () => {
  const {hub, clock, client} = await connected();
  const answer = assert.rejects(client.ask('a/b', 'x', 1), failsWith('connection_lost'));
  await hub.cut();
  await answer;
  const waiting = assert.rejects(client.ask('a/b', 'x', 1), failsWith('disconnected'));
  await client.disconnect();
  await waiting;
  assert.deepEqual(clock.delays, []);
});

test('another session with the actor is final', async () => {
  const {hub, client, clock, of} = await connected();
  await hub.say('hub:disconnect', {reason: 'duplicate_connection', message: 'taken'});
  await hub.cut(1000, 'Duplicate connection');
  assert.deepEqual(of('error').map(({code, message}) => [code, message]), [['duplicate_connection', 'taken']]);
  assert.equal(client.state, 'disconnected');
  assert.deepEqual(clock.delays, []);
});

test('after another session took the actor over, every call says so, until connect()', async () => {
  const {hub, client} = await connected();
  await hub.say('hub:disconnect', {reason: 'duplicate_connection', message: 'taken'});
  await hub.cut(1000, 'Duplicate connection');
  const says = failsWith('duplicate_connection', {message: 'This client is not connected any more: taken'});
  await assert.rejects(client.ask('a/b', 'x', 1), says);
  await assert.rejects(client.register(), says);
  assert.throws(() => client.send('a/b', 'x', 1), says);
  await client.disconnect();
  await assert.rejects(client.ask('a/b', 'x', 1), says);
  await client.connect();
  await client.ask('a/b', 'x', 1);
});

test('a request that nobody here handles is answered at once', async () => {
  const {hub, client} = await connected();
  const request = {metadata: {request: true, originalMessageId: 'q1'}, to: 'browser/anna'};
  await hub.forward('sub', 1, request);
  const [{payload, metadata}] = hub.of('hub:send');
  assert.deepEqual([payload.to, payload.data], ['browser/bert', {
    code: 'no_handler', message: 'browser/anna has no handler for sub.',
  }]);
  assert.deepEqual([metadata.inReplyTo, metadata.failed], ['q1', true]);
  await hub.forward('sub', 1, {...request, metadata: {...request.metadata, broadcast: true}});
  await hub.forward('sub', 1);  // nobody awaits an answer to these
  assert.equal(hub.of('hub:send').length, 1);
});

test('a listener to all messages may answer a request, and a promise of it is waited for', async () => {
  const {hub, client} = await connected();
  const request = {metadata: {request: true, originalMessageId: 'q1'}};
  let answer;
  client.on('message', (message) => message.type === 'now' && message.reply('now'));
  client.on('message', ({type}) => type === 'later' && new Promise((resolve) => { answer = resolve; }));
  await hub.forward('now', 1, request);
  await hub.forward('later', 1, request);
  assert.deepEqual(hub.of('hub:send').map(({payload}) => payload.data), ['now']);
  answer();
  await hub.forward('only seen', 1, request);
  assert.deepEqual(hub.of('hub:send').slice(1).map(({payload}) => payload.data.code), ['no_handler', 'no_handler']);
});

test('connect gives up in its time', async () => {
  const {hub, client, clock} = unconnected();
  hub.accepts = false;
  const refused = assert.rejects(client.connect({timeout: 5000}), failsWith('timeout'));
  await clock.advance(5000);
  await refused;
  assert.deepEqual([client.state, clock.delays], ['disconnected', []]);
});

test('without a connection, and none to come, each call says so at once', async () => {
  const calls = (client) => [
    () => client.drained(), async () => client.reconnect(), async () => client.send('a/b', 'x', 1), () => client.ask('a/b', 'x', 1),
    () => client.request('a/b', 'x', 1), () => client.publish('t', 'x', 1), () => client.broadcast('x', 1),
    () => client.register(), () => client.subscribe('t'), () => client.discover(), () => client.queueStats(), () => client.ping(),
    () => client.refreshToken(),
  ];
  const {client} = unconnected();
  for (const call of calls(client)) await assert.rejects(call(), failsWith('disconnected', {resolution: 'Call connect() first.'}));
  await client.connect();
  await client.drained();
  await client.disconnect();
  for (const call of calls(client)) await assert.rejects(call(), failsWith('disconnected'));

  const all = await connected();
  await all.hub.cut();
  const away = all.client.drained();
  await back(all);
  await away;
  await all.hub.say('hub:pause');
  const paused = assert.rejects(all.client.drained(), failsWith('duplicate_connection'));
  await all.hub.say('hub:disconnect', {reason: 'duplicate_connection', message: 'elsewhere'});
  await all.hub.cut(1000);
  await paused;
  for (const call of calls(all.client)) await assert.rejects(call(), failsWith('duplicate_connection'));
});

test('what never left says so, and that it may be sent again', async () => {
  const {hub, clock, client} = await connected();
  hub.accepts = false;
  await hub.cut();
  const unsent = failsWith('timeout', {details: {sent: false}, resolution: 'Send it again; the hub has not got it.', retryable: true});
  const answers = [
    assert.rejects(client.ask('a/b', 'x', 1, {timeout: 50}), {...unsent, message: 'Not sent: hub:send waited 50 ms for a connection.'}),
    assert.rejects(client.request('a/b', 'x', 1, {timeout: 50}), {...unsent, message: 'Not sent: hub:send waited 50 ms for a connection.'}),
  ];
  await clock.advance(50);
  await Promise.all(answers);
  assert.equal(client.queued, 0);
});

test('connect may take as long as it takes', async () => {
  const {hub, client, clock} = unconnected();
  hub.accepts = false;
  const connecting = client.connect({timeout: Infinity});
  await clock.advance(300000);
  hub.accepts = true;
  await clock.advance(40000);
  await connecting;
});

test('without reconnect the first loss is final', async () => {
  const {hub, client, of} = await connected({reconnect: false});
  await hub.cut(1011, 'broken');
  assert.deepEqual(of('error').map(({code, message}) => [code, message]),
                   [['connection_lost', 'No connection: 1011 broken']]);
  assert.equal(client.state, 'disconnected');
});

test('a registration is renewed half-way with the last token', async () => {
  const {hub, clock, client} = await connected();
  await client.register({capabilities: ['chat'], metadata: {a: 1}, ttl: 60000});
  assert.deepEqual(hub.of('hub:register')[0].payload,
                   {actorAddress: 'browser/anna', capabilities: ['chat'], metadata: {a: 1}, ttl: 60000});
  await clock.advance(30000);
  await clock.advance(30000);
  assert.deepEqual(hub.of('hub:renew').map(({payload}) => payload.renewalToken), ['token-1', 'token-2']);
  await client.unregister();
  await clock.advance(60000);
  assert.equal(hub.of('hub:renew').length, 2);
});

test('nothing is renewed where the hub says that the connection keeps the registration', async () => {
  const {client, clock, hub} = await connected();
  hub.renewalNeeded = false;
  await client.register();
  await clock.advance(3600000);
  assert.equal(hub.of('hub:renew').length, 0);
  assert.deepEqual(client.registered, ['browser/anna']);
});

test('nothing is renewed while there is no connection', async () => {
  const all = await connected();
  const {hub, clock, client} = all;
  await client.register({ttl: 60000});
  hub.accepts = false;
  await hub.cut();
  await clock.advance(60000);
  hub.accepts = true;
  await clock.advance(29000);
  assert.equal(client.state, 'connected');
  assert.deepEqual([hub.of('hub:register').length, hub.of('hub:renew').length], [2, 0]);
});

test('a registration that was lost is made again', async () => {
  const {hub, clock, client, of} = await connected();
  await client.register({ttl: 60000});
  hub.refuse('hub:renew', 'unauthorized');
  await clock.advance(30000);
  assert.equal(hub.of('hub:register').length, 2);
  hub.refuse('hub:register', 'internal_error');
  await clock.advance(30000);
  assert.deepEqual(of('error').map(({code}) => code), ['internal_error']);
  hub.answerAsUsual('hub:register');
  await clock.advance(5000);
  assert.equal(hub.of('hub:register').length, 4);
});

test('a fresh session gets registrations and topics again, before anything that waits', async () => {
  const all = await connected();
  const {hub, client, of} = all;
  await client.register();
  await client.subscribe('news', () => {});
  await hub.cut();
  assert.equal(client.send('browser/bert', 'chat', 'while away'), false);
  const ask = client.ask('browser/bert', 'chat', 'and I wait');
  hub.frames.length = 0;
  await back(all);
  await ask;
  const types = hub.frames.map(({type}) => type).filter((type) => type !== 'hub:heartbeat');
  assert.deepEqual(types, ['hub:connect', 'hub:register', 'hub:subscribe', 'hub:send', 'hub:send']);
  assert.deepEqual(of('connected').map(({sessionId}) => sessionId), ['session-1', 'session-2']);
});

for (const [protocol, where] of [['1.0', 'payload'], ['0.1', 'metadata']]) {
  test(`resumes in ${protocol}`, async () => {
    const all = unconnected({protocol});
    const {hub, client, clock, of} = all;
    let resumed = false;
    hub.answer('hub:connect', () => ['hub:connected', {
      sessionId: 'same', resumeToken: 'rise', resumed, missed: resumed ? 2 : undefined, heartbeatInterval: 30000,
    }]);
    await client.connect();
    await client.register({ttl: 60000});
    await client.subscribe('news', () => {});
    await hub.forward('chat', 1, {id: 'm1'});
    await hub.forward('chat', 2, {id: 'm2'});
    await hub.cut();
    resumed = true;
    hub.frames.length = 0;
    await back(all);
    const {resumeToken, lastMessageId} = hub.of('hub:connect')[0][where];
    assert.deepEqual([resumeToken, lastMessageId], ['rise', 'm2']);
    assert.deepEqual([hub.of('hub:register'), hub.of('hub:subscribe')], [[], []]);
    assert.deepEqual(of('resumed'), [{sessionId: 'same', missed: 2}]);
    await clock.advance(30000);
    assert.equal(hub.of('hub:renew').length, 1);
  });
}

test('the first connect asks for no resume, and a goodbye ends what could be', async () => {
  const {hub, client} = unconnected();
  hub.answer('hub:connect', () => ['hub:connected', {sessionId: 's', resumeToken: 'rise', resumed: false}]);
  await client.connect();
  await client.disconnect();
  await client.connect();
  for (const {payload} of hub.of('hub:connect')) assert.deepEqual(payload, {version: '1.0'});
});

test('what comes twice is handled once', async () => {
  const {hub, of} = await connected({recentIds: 2});
  await hub.forward('chat', 1, {id: 'm1'});
  await hub.forward('chat', 1, {id: 'm1'});
  await hub.forward('chat', 1, {id: 'm1', to: 'browser/another-of-mine'});  // one broadcast to two addresses
  assert.deepEqual(of('message').map(({id, to}) => [id, to]),
                   [['m1', 'browser/anna'], ['m1', 'browser/another-of-mine']]);
});

test('what the hub says of presence reaches subscribers, and is no place to resume from', async () => {
  const all = unconnected();
  const {hub, client, of} = all;
  hub.answer('hub:connect', () => ['hub:connected', {sessionId: 's', resumeToken: 'rise', resumed: false}]);
  await client.connect();
  const seen = [];
  await client.subscribe('hub/presence', ({type, data, topic}) => seen.push([type, data.event, topic]));
  await hub.forward('chat', 1, {id: 'm1'});
  const metadata = {topic: 'hub/presence', publication: true, forwarded: true};
  await hub.forward('hub:presence', {actorAddress: 'browser/bert', event: 'joined', at: 1}, {metadata});
  assert.deepEqual(seen, [['hub:presence', 'joined', 'hub/presence']]);
  assert.equal(of('message').length, 2);
  await hub.cut();
  await back(all);
  assert.equal(hub.of('hub:connect').at(-1).payload.lastMessageId, 'm1');
});

test('messages reach handlers by type and by topic', async () => {
  const {hub, client, of} = await connected();
  const seen = [];
  const off = client.handle('chat', ({data, from}) => { seen.push(['chat', data, from]); });
  const first = await client.subscribe('news', ({data, topic}) => seen.push(['first', data, topic]));
  const second = await client.subscribe('news', ({data}) => seen.push(['second', data]));
  await hub.forward('chat', 'hi');
  await hub.forward('headline', 'it wakes', {metadata: {topic: 'news', publication: true}});
  await first.unsubscribe();
  assert.equal(hub.of('hub:unsubscribe').length, 0);
  await hub.forward('headline', 'again', {metadata: {topic: 'news', publication: true}});
  await client.unsubscribe(second);
  assert.equal(hub.of('hub:unsubscribe').length, 1);
  off();
  await hub.forward('chat', 'nobody');
  assert.deepEqual(seen, [['chat', 'hi', 'browser/bert'], ['first', 'it wakes', 'news'], ['second', 'it wakes'],
                          ['second', 'again']]);
  assert.equal(of('message').length, 4);
});

test('a handler that fails is an error event, and costs the others nothing', async () => {
  const {hub, client, of} = await connected();
  client.handle('chat', () => { throw new Error('sync'); });
  client.on('message', async () => { throw new Error('async'); });
  await hub.forward('chat', 1);
  assert.deepEqual(of('error').map(({message}) => message), ['sync', 'async']);
  assert.equal(of('message').length, 1);
});

test('ask resolves with the receipt, and rejects where nobody is', async () => {
  const {hub, client} = await connected();
  assert.equal((await client.ask('browser/bert', 'chat', 'hi')).status, 'delivered');
  hub.answer('hub:send', ({payload}) => ['hub:unknown_actor', {actorAddress: payload.to, message: 'nobody'}]);
  await assert.rejects(client.ask('browser/x', 'chat', 'hi'),
                       failsWith('unknown_actor', {message: 'nobody', retryable: false}));
});

test('an error has code, message, resolution and details', async () => {
  const {hub, client, of} = await connected();
  const payload = {code: 'message_expired', message: 'late', resolution: 'hurry', details: {a: 1}};
  hub.answer('hub:send', () => ['hub:error', payload]);
  await assert.rejects(client.ask('a/b', 'x', 1), {...payload, retryable: false});
  client.send('a/b', 'x', 1);
  await settled();
  assert.deepEqual(of('error').map(({code}) => code), ['message_expired']);
});

test('a frame that is too large is not sent', async () => {
  const {hub, client} = unconnected();
  hub.answer('hub:connect', () => ['hub:connected', {sessionId: 's', maxMessageSize: 1000}]);
  await client.connect();
  assert.throws(() => client.send('a/b', 'x', 'y'.repeat(1000)), failsWith('message_too_large'));
  await assert.rejects(client.publish('t', 'x', 'y'.repeat(1000)), failsWith('message_too_large'));
  assert.deepEqual([hub.of('hub:send'), hub.of('hub:publish')], [[], []]);
});

test('pause holds messages, resume lets them go', async () => {
  const {hub, client, of} = await connected();
  await hub.say('hub:pause', {reason: 'slow reader', targets: ['a/b']});
  assert.equal(client.paused, true);
  assert.equal(client.send('a/b', 'x', 1), false);
  const drained = client.drained();
  assert.deepEqual([client.queued, hub.of('hub:send').length], [1, 0]);
  await client.listActors();
  await hub.say('hub:resume');
  await drained;
  assert.deepEqual([client.paused, client.queued, hub.of('hub:send').length], [false, 0, 1]);
  assert.deepEqual([of('paused'), of('unpaused')], [[{reason: 'slow reader', targets: ['a/b']}], [{}]]);
});

test('a request between actors is answered by what the handler returns', async () => {
  const {hub, client} = await connected();
  const answer = client.request('browser/bert', 'add', [1, 2]);
  await settled();
  const [sent] = hub.of('hub:send');
  assert.equal(sent.metadata.request, true);
  await hub.forward('add:reply', 3, {metadata: {inReplyTo: sent.id}});
  assert.equal(await answer, 3);

  client.handle('add', ({data: [a, b]}) => a + b);
  client.handle('fail', () => { throw new Error('cannot'); });
  await hub.forward('add', [4, 5], {metadata: {request: true, originalMessageId: 'q1'}});
  await hub.forward('fail', 0, {metadata: {request: true, originalMessageId: 'q2'}});
  const replies = hub.of('hub:send').slice(1).map(({payload, metadata}) => [payload, metadata]);
  assert.deepEqual(replies, [
    [{to: 'browser/bert', type: 'add:reply', data: 9}, {inReplyTo: 'q1'}],
    [{to: 'browser/bert', type: 'fail:reply', data: {message: 'cannot'}}, {inReplyTo: 'q2', failed: true}],
  ]);
});

test('a request fails with the answer, without one, and with the actor', async () => {
  const {hub, client, clock} = await connected();
  const failed = assert.rejects(client.request('browser/bert', 'x', 1), failsWith('request_failed', {message: 'no'}));
  await settled();
  await hub.forward('x:reply', {message: 'no'}, {metadata: {inReplyTo: hub.of('hub:send')[0].id, failed: true}});
  await failed;
  const late = assert.rejects(client.request('browser/bert', 'x', 1, {timeout: 500}), failsWith('timeout'));
  await clock.advance(500);
  await late;
  hub.answer('hub:send', () => ['hub:unknown_actor', {}]);
  await assert.rejects(client.request('browser/x', 'x', 1), failsWith('unknown_actor'));
});

test('discoverAll goes through all pages', async () => {
  const {hub, client} = await connected();
  hub.answer('hub:discover', ({payload: {offset, limit}}) => ['hub:discovery_result', {
    actors: [{address: `a/${offset}`}, {address: `a/${offset + 1}`}].slice(0, limit), hasMore: offset < 4,
  }]);
  const found = [];
  for await (const {address} of client.discoverAll({pattern: 'a/*', limit: 2})) found.push(address);
  assert.deepEqual(found, ['a/0', 'a/1', 'a/2', 'a/3', 'a/4', 'a/5']);
  assert.equal(hub.of('hub:discover')[0].payload.pattern, 'a/*');
});

test('a refreshed token is used from then on', async () => {
  const all = await connected({token: 'old'});
  all.hub.answer('hub:refresh_token', ({payload}) => ['hub:token_refreshed', {token: `${payload.token}+`, expiresAt: 1}]);
  assert.deepEqual(await all.client.refreshToken(), {token: 'old+', expiresAt: 1});
  await all.hub.cut();
  await back(all);
  assert.equal(all.hub.of('hub:connect')[1].payload.jwt, 'old+');
});

test('without a token the one for resuming is refreshed', async () => {
  const all = unconnected();
  all.hub.answer('hub:connect', () => ['hub:connected', {sessionId: 's', resumeToken: 'rise', resumed: false}]);
  all.hub.answer('hub:refresh_token', ({payload}) => ['hub:token_refreshed', {token: `${payload.token}+`, expiresAt: 1}]);
  await all.client.connect();
  assert.equal((await all.client.refreshToken()).token, 'rise+');
  await all.hub.cut();
  await back(all);
  assert.deepEqual(all.hub.of('hub:connect')[1].payload, {version: '1.0', resumeToken: 'rise+', lastMessageId: null});
});

test('broadcast and publish say whom they reach', async () => {
  const {hub, client} = await connected();
  assert.equal((await client.broadcast('x', 1, {capability: 'chat'})).deliveredCount, 2);
  const [frame] = hub.of('hub:broadcast');
  assert.deepEqual([frame.payload, frame.metadata],
                   [{type: 'x', data: 1, excludeSelf: true}, {targetCapability: 'chat'}]);
  assert.equal((await client.publish('news', 'x', 1)).subscriberCount, 1);
});

test('a frame that is no envelope is an error, and nothing more', async () => {
  const {hub, client, of} = await connected();
  hub.socket.onmessage({data: 'what?'});
  await settled();
  assert.deepEqual(of('error').map(({code}) => code), ['bad_frame']);
  assert.equal(client.state, 'connected');
});

test('what is missing is said when the client is made', () => {
  assert.throws(() => new DormouseClient('ws://x', {WebSocket: class {}}), /actor/);
  assert.throws(() => new DormouseClient('ws://x', {actor: 'a/b', WebSocket: class {}, protocol: '2'}), /protocol/);
  assert.throws(() => new DormouseClient('ws://x', {actor: 'a/b', transport: 'smoke'}), /transport/);
  assert.throws(() => new DormouseClient('ws://x', {actor: 'a/b', WebSocket: null, transport: 'websocket'}), failsWith('no_websocket'));
});

test('reconnect opens another socket', async () => {
  const all = await connected();
  all.client.reconnect();
  await back(all);
  assert.deepEqual([all.hub.sockets.length, all.client.state], [2, 'connected']);
  await all.client.disconnect();
  // 1000 would tell the hub that the session is over.
  assert.deepEqual(all.hub.sockets.map(({closedWith}) => closedWith), [4000, 1000]);
});

test('a later message of which the latest counts takes the place of one that waits', async () => {
  const {hub, client, clock, of} = await connected();
  await client.publish('board', 'other', 0);
  hub.refuse('hub:publish', 'rate_limited', {retryAfter: 1, limit: 10});
  const refused = client.publish('board', 'cursor', 1, {latest: true});
  await settled();
  hub.answerAsUsual('hub:publish');
  const results = [2, 3].map((data) => client.publish('board', 'cursor', data, {latest: true}));
  const elsewhere = client.publish('board', 'note', 'x', {latest: true});
  const named = ['a', 'b'].map((data) => client.publish('board', 'drag', data, {latest: `shape-${data}`}));
  client.send('browser/bert', 'cursor', 4, {latest: true});
  assert.deepEqual([await refused, await results[0]], [{superseded: true}, {superseded: true}]);
  assert.equal(client.queued, 5);
  await clock.advance(2000);
  assert.deepEqual((await Promise.all([results[1], elsewhere, ...named])).map(({superseded}) => superseded),
                   [undefined, undefined, undefined, undefined]);
  assert.deepEqual(hub.of('hub:publish').slice(2).map(({payload}) => payload.data), [3, 'x', 'a', 'b']);
  assert.deepEqual(hub.of('hub:send').map(({payload}) => payload.data), [4]);
  assert.deepEqual(of('error'), []);
});

test('tells of messages that wait', async () => {
  const {hub, client, clock, of} = await connected({backlogAfter: 200});
  await hub.say('hub:pause', {reason: 'slow', targets: []});
  client.send('browser/bert', 'chat', 1);
  await clock.advance(200);
  assert.deepEqual(of('backlog'), [{waiting: 1, delay: 200, reason: 'pause'}]);
  assert.deepEqual(client.backlog, {waiting: 1, delay: 200, reason: 'pause'});
  await hub.say('hub:resume', {});
  assert.deepEqual(of('backlog')[1], {waiting: 0, delay: 0, reason: null});
});
