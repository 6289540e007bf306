// What a program in TypeScript writes, for the compiler to check against the client's types. Never run.
import {DormouseClient, DormouseError, EchoClient, Message, Subscription} from '../../../clients/js/index.js';

interface Chat { text: string }

export async function talk(): Promise<void> {
  const client = new DormouseClient(new URL('ws://127.0.0.1:8080/ws/kitchen'), {
    actor: 'browser/anna', token: async () => 'ey...', capabilities: ['chat'], protocol: '1.0', upgradeAuth: true,
    reconnect: () => true, WebSocket,
  });
  const off = client.on('message', ({type, from, data, topic}) => console.log(type, from, data, topic?.length));
  client.on('resumed', ({missed}) => console.log(missed + 1));
  client.on('reconnecting', ({delay, attempt}) => console.log(delay + attempt));
  client.once('error', (error) => console.log(error instanceof DormouseError && error.retryable));
  await client.connect({timeout: 5000});
  await client.register({metadata: {room: 1}, ttl: 60000});
  client.handle<Chat>('chat', ({data, expectsReply}) => expectsReply ? data.text.length : undefined);
  client.handle('ask me', async (message: Message) => { await message.reply({fine: true}); });
  if (!client.send('browser/bert', 'chat', {text: 'hi'})) await client.drained();
  const {deliveredAt} = await client.ask('browser/bert', 'chat', {text: 'hi'}, {timeout: 1000, idempotent: true});
  const length: number = deliveredAt + await client.request<number>('browser/bert', 'chat', {text: 'hi'});
  await client.broadcast('chat', length, {excludeSelf: false, capability: 'chat'});
  const news: Subscription = await client.subscribe('news', (message) => console.log(message.data));
  const {subscriberCount} = await client.publish('news', 'headline', subscriberCounted(client.queued));
  await client.unsubscribe(news);
  for await (const {address, capabilities} of client.discoverAll({pattern: 'browser/*'})) {
    console.log(address.length, capabilities.length, subscriberCount);
  }
  off();
  await client.disconnect();

  const echo = new EchoClient('ws://127.0.0.1:8080/websocket');
  echo.on('echo', ({connections}) => console.log(connections.toFixed()));
  echo.connect();
}

function subscriberCounted(count: number): string { return count.toFixed(); }

export async function mistakes(client: DormouseClient): Promise<void> {
  // @ts-expect-error: nobody to be
  new DormouseClient('ws://x', {});
  // @ts-expect-error: no such event
  client.on('massage', () => {});
  // @ts-expect-error: no such protocol
  new DormouseClient('ws://x', {actor: 'a/b', protocol: '2.0'});
  // @ts-expect-error: a tell has no answer to wait for
  (await client.ask('a/b', 'chat')).text;
}
