// Runs what is ready in rounds. Between two, all promises that can go on have gone on: what a handler awaits without
// waiting for anything real has then happened, and the next event finds its outcome. So does an event loop, but here
// thousands of such steps fit into one of its turns.
let ready = [];     // gates that may let somebody in
let settled = [];   // events whose handlers have ended
let scheduled = false;

export function whenReady(gate) {
  if (gate.listed) return;
  gate.listed = true;
  ready.push(gate);
  schedule();
}

export function whenSettled(record) {
  settled.push(record);
  schedule();
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  // A tick that a microtask asks for runs when no microtask is left.
  queueMicrotask(askForTick);
}

function askForTick() { process.nextTick(round); }

function round() {
  scheduled = false;
  if (settled.length > 0) {
    const records = settled;
    settled = [];
    for (let i = 0; i < records.length; i++) records[i].life.finish(records[i]);
  }
  if (ready.length > 0) {
    const gates = ready;
    ready = [];
    for (let i = 0; i < gates.length; i++) {
      gates[i].listed = false;
      gates[i].admit();
    }
  }
}
