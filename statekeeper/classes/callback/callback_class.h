// The callback classes of a statekeeper (clients/webhooks.md), as the file that --callbacks names describes them: read
// once; what is registered anew has the same endpoints, and their thread.
//
// Main thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "statekeeper/classes/callback/callback_sender.h"
#include "statekeeper/hub/registry.h"

namespace dormouse {

class CallbackClasses {
 public:
  // False: `*error` is a sentence.
  bool Register(const Options& options, HubClassRegistry* classes, std::string* error);

 private:
  bool Read(const std::string& path, std::string* error);

  bool is_read_ = false;
  std::vector<std::shared_ptr<CallbackEndpoint>> endpoints_;
  std::shared_ptr<CallbackSender> sender_;
};

}  // namespace dormouse
