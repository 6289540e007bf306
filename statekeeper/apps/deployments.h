// What a deployment does to the record of an app's versions (proto/app.proto): begins, is made the current one, is only
// kept, or is given up. Each function changes a copy, which is written where the record is still what it was.
//
// Pure functions. `now_ms`: the wall clock; statekeepers' clocks may differ by seconds.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/bundle/app_bundle.h"
#include "proto/admin.pb.h"
#include "proto/app.pb.h"

namespace dormouse {

// For so long it is the one that is under way, without a word of it.
constexpr int64_t kDeploymentMs = 60'000;
// Versions that are kept; fewer, where they are large, but the current one and the one before.
constexpr int kKeptVersions = 10;
constexpr uint64_t kKeptBytes = 128u << 20;

// nullptr: it is not there.
const app::Version* FindVersion(const app::Record& record, std::string_view version);

// `garbage`: versions whose chunks nobody needs any more.
grpc::Status BeginDeployment(const admin::BeginDeploymentRequest& request, int64_t now_ms,
                             const BundleLimits& limits, app::Record* record,
                             std::vector<app::Version>* garbage);
grpc::Status EndDeployment(const admin::EndDeploymentRequest& request, int64_t now_ms, app::Record* record,
                           std::vector<app::Version>* garbage);
// Said again, it was kept before.
grpc::Status StoreVersion(const admin::StoreVersionRequest& request, app::Record* record,
                          std::vector<app::Version>* garbage);

}  // namespace dormouse
