// Several statekeepers that are made up, each with a worker of the same project; calls go to whoever has the hub.
import {FakeStatekeeper} from './fake_statekeeper.mjs';

export class FakeCluster {
  keepers = [];
  #owners = new Map();  // by hub
  #place;

  // `place(hubClass, hubName)`: the number of the statekeeper that has it at first.
  static async start({keepers = 2, place, ...options}) {
    const cluster = new FakeCluster();
    cluster.#place = place;
    try {
      for (let i = 0; i < keepers; i++) {
        cluster.keepers.push(Object.assign(await FakeStatekeeper.start(options), {cluster}));
      }
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async stop() { await Promise.all(this.keepers.map((keeper) => keeper.stop())); }

  ownerOf(hubClass, hubName) {
    const owner = this.#owners.get(`${hubClass}/${hubName}`);
    return owner ?? this.keepers[this.#place(hubClass, hubName) % this.keepers.length];
  }

  move(hub, number) {
    const rows = this.ownerOf(hub.hubClass, hub.hubName).give(hub);
    this.#owners.set(`${hub.hubClass}/${hub.hubName}`, this.keepers[number]);
    const moved = this.keepers[number].hub(hub.hubClass, hub.hubName);
    moved.rows = rows;
    return moved;
  }
}
