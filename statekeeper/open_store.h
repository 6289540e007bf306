// Which store a URL names: the one place that knows all kinds of them.
#pragma once

#include <memory>
#include <string>

#include "statekeeper/store/store.h"

namespace dormouse {

// Connects, and checks what the whole cluster shares: the number of shards is stored at the first start and
// must be the same at every later one; the format of what is stored (stored_format.h) must be one that this
// version reads; a file is locked for this process alone. Blocks for at most
// `config.timeout`. On failure returns nullptr and sets `*error` to a sentence for the operator: what is
// wrong and what to do.
std::unique_ptr<StoreFactory> OpenStore(const StoreConfig& config, std::string* error);

}  // namespace dormouse
