// See block_store_swift.h.
#include "db/blocks/block_store_swift.h"

#include <memory>
#include <utility>

namespace parsec::db {

void SwiftBlockStore::begin(Place place) {
  if (token_.empty()) {
    waiting_.push_back(place);
    return ask_for_token();
  }
  auto& current = operation(place);
  current.token = token_number_;
  auto request = request_for(place);
  request->url = storage_url_ + "/" + percent_encoded(config_.container);
  if (current.job != nullptr) request->url += "/" + object_name(*current.job);
  request->headers.push_back("X-Auth-Token: " + token_);
  // A block that is there already stays as it is.
  if (current.kind == Kind::create) request->headers.push_back("If-None-Match: *");
  send(place, std::move(request));
}

void SwiftBlockStore::ask_for_token() {
  if (asking_) return;
  asking_ = true;
  auto request = std::make_unique<Request>();
  request->url = config_.auth_url;
  request->headers = {"X-Auth-User: " + config_.user + ":" + config_.tenant,
                      "X-Auth-Key: " + config_.password};
  if (!send_own(std::move(request))) {
    asking_ = false;
    fail_waiting("has too many requests under way");
  }
}

void SwiftBlockStore::on_own_answer(const Request& request) {
  asking_ = false;
  if (request.result != Request::Result::answered) {
    return fail_waiting(failure_text(request), request.may_pass);
  }
  if (request.status == 401 || request.status == 403) {
    return fail_waiting("refuses the user: are user, tenant and password right?");
  }
  std::string_view url = request.answer_header("X-Storage-Url");
  const std::string_view token = request.answer_header("X-Auth-Token");
  if (request.status / 100 != 2) {
    return fail_waiting(failure_text(request) + " to a log-in", request.may_pass);
  }
  if (token.empty() || !(url.starts_with("http://") || url.starts_with("https://"))) {
    return fail_waiting("is no Swift service with authentication v1");
  }
  while (url.ends_with('/')) url.remove_suffix(1);
  token_ = token;
  storage_url_ = url;
  ++token_number_;
  for (const Place place : std::exchange(waiting_, {})) begin(place);
}

void SwiftBlockStore::fail_waiting(const std::string& why, bool may_pass) {
  for (const Place place : std::exchange(waiting_, {})) fail(place, why, may_pass);
}

void SwiftBlockStore::on_answer(Place place, const Request& request) {
  if (request.result != Request::Result::answered) {
    return fail(place, failure_text(request), request.may_pass);
  }
  if (request.status == 401) return on_refused(place, request);
  const auto& current = operation(place);
  const bool done = request.status / 100 == 2;
  switch (current.kind) {
    case Kind::create:
      // 412: it is there already.
      if (done || request.status == 412) return finish(place, BlockOutcome::ok);
      break;
    case Kind::read:
      if (request.status == 200) return finish(place, BlockOutcome::ok);
      current.job->data = {};
      if (request.status == 404) return finish(place, BlockOutcome::not_found);
      break;
    case Kind::check:
      if (done) return finish(place, BlockOutcome::ok);
      if (request.status == 404) {
        return fail(place, "has no container `" + config_.container + "`");
      }
      if (request.status == 403) {
        return fail(place, "denies access to container `" + config_.container + "`");
      }
      break;
  }
  fail(place, failure_text(request), request.may_pass);
}

/// A token lasts for a while. Whoever finds it expired first has it renewed for all.
void SwiftBlockStore::on_refused(Place place, const Request& request) {
  auto& current = operation(place);
  if (current.kind == Kind::read) current.job->data = {};
  if (current.token == token_number_) token_.clear();
  constexpr unsigned most_repetitions = 2;
  if (++current.repetitions > most_repetitions) return fail(place, failure_text(request));
  begin(place);
}

}  // namespace parsec::db
