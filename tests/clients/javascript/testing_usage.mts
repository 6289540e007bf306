// What the declarations of the testing kit let a program do, and what they do not; compiled, never run.
import {Cluster, HubSocket, type Process, type StartOptions} from '../../../clients/testing/js/index.js';

const options: StartOptions = {app: 'counter', store: 'redis', gateways: 2, statekeepers: 2,
                               settings: {'hibernate-after': '200ms', 'rate-limit': 0, 'hub-view': true}, timeout: 60_000};
const cluster: Cluster = await Cluster.start(options);
await Cluster.start({app: new URL('.', import.meta.url)});
const socket: HubSocket = await cluster.connect('/lobby', {timeout: 100, headers: {Authorization: 'Bearer x'}});
socket.send('up');
const text: string | Uint8Array = await socket.next(100);
const {code, reason}: {code: number, reason: string} = await socket.closed;
await cluster.sleepNow('Counter/lobby');
await cluster.assertAsleep('Counter/lobby', {timeout: 1000});
const owner: string = await cluster.killOwner('Counter/lobby');
const ahead: number = await cluster.advanceClock(3_600_000);
const processes: Process[] = await cluster.processes();
console.log(text, code, reason, owner, ahead, processes[0]?.pid, cluster.httpUrl, cluster.url('/'), cluster.apiUrl, cluster.apiKey);
await cluster.stop();

// @ts-expect-error: there is no such option
await Cluster.start({stores: 'redis'});
// @ts-expect-error: nor such a store
await Cluster.start({store: 'rediss'});
// @ts-expect-error: a hub is named
await cluster.sleepNow();
