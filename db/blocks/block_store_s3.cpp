// See block_store_s3.h.
#include "db/blocks/block_store_s3.h"

#include <utility>

namespace parsec::db {

namespace {

constexpr unsigned most_repetitions = 3;

std::string region_of(const BlockStoreConfig::S3& config) {
  return config.region.empty() ? "us-east-1" : config.region;
}

}  // namespace

S3BlockStore::S3BlockStore(const BlockStoreConfig::S3& config, ObjectStorage& storage,
                           std::uint32_t channel)
    : HttpBlockStore(storage, channel),
      bucket_url_(bucket_url(config)),
      bucket_(config.bucket),
      signing_{region_of(config), "s3", config.key, config.secret} {}

std::string S3BlockStore::bucket_url(const BlockStoreConfig::S3& config) {
  std::string url = config.endpoint_url;
  if (url.empty()) {
    const auto region = region_of(config);
    url = "https://s3." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "");
  }
  while (url.ends_with('/')) url.pop_back();
  return url + "/" + percent_encoded(config.bucket);
}

void S3BlockStore::begin(Place place) {
  auto request = request_for(place);
  request->url = bucket_url_;
  const auto& current = operation(place);
  if (current.job != nullptr) request->url += "/" + object_name(*current.job);
  if (current.kind == Kind::create && conditional_) {
    request->headers.push_back("If-None-Match: *");
  }
  request->signing = signing_;
  send(place, std::move(request));
}

void S3BlockStore::on_answer(Place place, const Request& request) {
  if (request.result != Request::Result::answered) {
    return fail(place, failure_text(request), request.may_pass);
  }
  switch (operation(place).kind) {
    case Kind::create:
      return on_created(place, request);
    case Kind::check:
      return on_checked(place, request);
    case Kind::read:
      break;
  }
  auto& data = operation(place).job->data;
  if (request.status == 200) return finish(place, BlockOutcome::ok);
  const bool no_object =
      request.status == 404 && as_text(data).find("NoSuchBucket") == std::string_view::npos;
  data = {};
  if (no_object) return finish(place, BlockOutcome::not_found);
  fail(place, failure_text(request));
}

void S3BlockStore::on_created(Place place, const Request& request) {
  switch (request.status) {
    case 200:
    case 201:
    case 204:
    case 412:  // it is there already
      return finish(place, BlockOutcome::ok);
    case 501:
      if (!conditional_ && operation(place).repetitions > 0) break;
      conditional_ = false;
      return again(place, request);
    case 409:  // another request writes it at the same time: see what came of that
      return again(place, request);
    default:
      break;
  }
  fail(place, failure_text(request));
}

void S3BlockStore::again(Place place, const Request& request) {
  if (++operation(place).repetitions > most_repetitions) return fail(place, failure_text(request));
  begin(place);
}

void S3BlockStore::on_checked(Place place, const Request& request) {
  switch (request.status) {
    case 200:
    case 204:
      return finish(place, BlockOutcome::ok);
    case 404:
      return fail(place, "has no bucket `" + bucket_ + "`");
    case 401:
    case 403:
      return fail(place, "denies access to bucket `" + bucket_ + "`: are key and secret right?");
    case 301:
    case 307:
    case 400:
      return fail(place, failure_text(request) + " for bucket `" + bucket_ +
                             "`: are region and endpoint right?");
    default:
      return fail(place, failure_text(request) + " for bucket `" + bucket_ + "`", request.may_pass);
  }
}

}  // namespace parsec::db
