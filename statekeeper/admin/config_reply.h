// The configuration of this process as operators are told of it.
#pragma once

#include "common/config/configuration.h"
#include "proto/admin.pb.h"

namespace dormouse {

inline admin::ConfigReply ToProto(const Configuration& configuration) {
  admin::ConfigReply reply;
  reply.set_process(std::string(NameOf(configuration.process())));
  reply.set_file(configuration.file());
  for (const Configuration::Setting& setting : configuration.settings()) {
    admin::ConfigReply::Setting* out = reply.add_settings();
    out->set_name(setting.name);
    out->set_value(setting.value);
    out->set_source(std::string(NameOf(setting.source)));
    out->set_from(Describe(setting, configuration.file()));
    out->set_reloadable(setting.may_change);
    out->set_pending(setting.pending);
  }
  return reply;
}

}  // namespace dormouse
