// The objects of this process by class and name.
const objects = new Map();

export function addAwake(object) { objects.set(keyOf(object.hubClass, object.hubName), object); }

export function removeAwake(object) {
  const key = keyOf(object.hubClass, object.hubName);
  if (objects.get(key) === object) objects.delete(key);
}

export function findAwake(hubClass, hubName) { return objects.get(keyOf(hubClass, hubName)); }

function keyOf(hubClass, hubName) { return `${hubClass}/${hubName}`; }
