// A hub class whose code runs in an app's worker.
#pragma once

#include <memory>
#include <string>

#include "statekeeper/classes/worker/worker_app.h"
#include "statekeeper/hub/hub.h"

namespace dormouse {

std::unique_ptr<HubClass> NewWorkerClass(std::shared_ptr<WorkerApp> app, const AppManifest::Class& described);

}  // namespace dormouse
