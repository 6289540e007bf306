#include "statekeeper/apps/deployments.h"

#include <fmt/format.h>

#include <algorithm>

namespace dormouse {
namespace {

using grpc::StatusCode;

constexpr size_t kMaxWord = 256;  // bytes of a name, a token, who it was
constexpr int kMaxClasses = 1'000;

// What was uploaded for a deployment that is given up.
void Drop(const app::Record::UnderWay& given_up, const app::Record& record,
          std::vector<app::Version>* garbage) {
  const app::Version& version = given_up.version();
  if (!version.hash().empty() && FindVersion(record, version.version()) == nullptr)
    garbage->push_back(version);
}

std::string Whose(const app::Version& version) {
  return fmt::format("version {}{}", version.version(), version.by().empty() ? "" : " by " + version.by());
}

std::string WhyNotVersion(const app::Version& version, const BundleLimits& limits) {
  if (version.hash().size() != kBundleHashBytes || version.version() != BundleName(version.hash()))
    return "A version is named after its content: this name is another.";
  if (version.bytes() == 0 || version.bytes() > limits.bytes) {
    return fmt::format("A version may have {} MiB, compressed; this one has {}.", limits.bytes >> 20,
                       version.bytes());
  }
  if (version.by().size() > kMaxWord || version.classes_size() > kMaxClasses)
    return "There is too much in it.";
  return "";
}

grpc::Status Overtaken(const app::Record& record) {
  const app::Version* const current = FindVersion(record, record.current());
  return {StatusCode::FAILED_PRECONDITION,
          fmt::format("Meanwhile another one has deployed {}; nothing was changed by this deployment.",
                      record.has_under_way() ? Whose(record.under_way().version())
                      : current != nullptr   ? Whose(*current)
                                             : "a version")};
}

void Prune(app::Record* record, std::vector<app::Version>* garbage) {
  uint64_t bytes = 0;
  for (const app::Version& version : record->versions()) bytes += version.bytes();
  auto* const versions = record->mutable_versions();
  int leaving = 0;
  while (versions->size() - leaving > kKeptVersions ||
         (bytes > kKeptBytes && versions->size() - leaving > 2)) {
    bytes -= versions->at(leaving).bytes();
    garbage->push_back(versions->at(leaving++));
  }
  versions->DeleteSubrange(0, leaving);
}

}  // namespace

const app::Version* FindVersion(const app::Record& record, std::string_view version) {
  const auto found = std::ranges::find(record.versions(), version, &app::Version::version);
  return found == record.versions().end() ? nullptr : &*found;
}

grpc::Status BeginDeployment(const admin::BeginDeploymentRequest& request, int64_t now_ms,
                             const BundleLimits& limits, app::Record* record,
                             std::vector<app::Version>* garbage) {
  if (request.token().empty() || request.token().size() > kMaxWord || request.name().size() > kMaxWord)
    return {StatusCode::INVALID_ARGUMENT, "A deployment needs a token, and a name of a few words at most."};
  const app::Version* const stored = FindVersion(*record, request.version().version());
  if (request.version().hash().empty()) {
    if (stored == nullptr) {
      return {StatusCode::NOT_FOUND,
              fmt::format("There is no version {}; dormousectl versions shows those that there are.",
                          request.version().version())};
    }
  } else if (const std::string wrong = WhyNotVersion(request.version(), limits); !wrong.empty()) {
    return {StatusCode::INVALID_ARGUMENT, wrong};
  }
  if (!request.name().empty() && !record->name().empty() && request.name() != record->name() &&
      !request.rename()) {
    return {StatusCode::FAILED_PRECONDITION,
            fmt::format(
                "This cluster runs app {0}, and this is app {1}. --app {0} deploys it as a version of that "
                "(its classes find what they have stored by their names); two apps take two clusters.",
                record->name(), request.name())};
  }
  const app::Record::UnderWay& other = record->under_way();
  const bool is_ours = other.token() == request.token();
  if (record->has_under_way() && !is_ours && other.until_ms() > now_ms) {
    return {
        StatusCode::FAILED_PRECONDITION,
        fmt::format("Another deployment is under way: {}. Wait until it is over; where its dormousectl has "
                    "ended, that is in {} s.",
                    Whose(other.version()), (other.until_ms() - now_ms + 999) / 1000)};
  }
  app::Version version = stored != nullptr ? *stored : request.version();
  version.set_by(request.version().by());
  if (record->has_under_way() && !is_ours && other.version().version() != version.version())
    Drop(other, *record, garbage);
  app::Record::UnderWay* const now = record->mutable_under_way();
  now->set_token(request.token());
  *now->mutable_version() = std::move(version);
  now->set_is_stored(stored != nullptr);
  now->set_until_ms(now_ms + kDeploymentMs);
  now->set_name(!request.name().empty() ? request.name() : record->name());
  return grpc::Status::OK;
}

grpc::Status EndDeployment(const admin::EndDeploymentRequest& request, int64_t now_ms, app::Record* record,
                           std::vector<app::Version>* garbage) {
  const bool is_ours = record->has_under_way() && record->under_way().token() == request.token();
  if (!request.activate()) {
    if (!is_ours) return grpc::Status::OK;
    Drop(record->under_way(), *record, garbage);
    record->clear_under_way();
    return grpc::Status::OK;
  }
  if (!is_ours && record->token() == request.token()) return grpc::Status::OK;  // it was carried out before
  if (!is_ours) return Overtaken(*record);
  app::Version version = record->under_way().version();
  version.set_deployed_ms(now_ms);
  auto* const versions = record->mutable_versions();
  versions->erase(
      std::remove_if(versions->begin(), versions->end(),
                     [&](const app::Version& each) { return each.version() == version.version(); }),
      versions->end());
  *versions->Add() = version;
  record->set_name(record->under_way().name());
  record->set_current(version.version());
  record->set_token(request.token());
  record->clear_under_way();
  Prune(record, garbage);
  return grpc::Status::OK;
}

grpc::Status StoreVersion(const admin::StoreVersionRequest& request, app::Record* record,
                          std::vector<app::Version>* garbage) {
  if (!record->has_under_way()) return grpc::Status::OK;
  if (record->under_way().token() != request.token()) return Overtaken(*record);
  const app::Record::UnderWay kept = record->under_way();
  record->clear_under_way();
  if (kept.is_stored()) return grpc::Status::OK;
  auto* const versions = record->mutable_versions();
  *versions->Add() = kept.version();
  // The current one stays the last.
  const int last = versions->size() - 1;
  if (last > 0 && versions->at(last - 1).version() == record->current())
    versions->SwapElements(last - 1, last);
  if (record->name().empty()) record->set_name(kept.name());
  Prune(record, garbage);
  return grpc::Status::OK;
}

}  // namespace dormouse
