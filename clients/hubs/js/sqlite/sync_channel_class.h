// The class SyncChannel of the addon.
//
//   new SyncChannel(path, timeoutMs = 30000)
//   request(bytes)   sends them in a frame and waits for that of the answer: a Buffer
//   send(bytes)      without an answer
//   close()
#pragma once

#include <node_api.h>

namespace dormouse {

// nullptr: an exception.
napi_value DefineSyncChannel(napi_env env);

}  // namespace dormouse
