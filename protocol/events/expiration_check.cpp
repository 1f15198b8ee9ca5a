#include "protocol/events/expiration_check.h"

#include "db/functions/organization.h"
#include "db/functions/route.h"

namespace parsec::protocol {

ExpirationCheck::~ExpirationCheck() {
  for (auto* request : refused_) database_.release(request);
}

void ExpirationCheck::start(EventPointer event) {
  const std::string_view organization_id = event->event().organization_id;
  auto* request = database_.acquire();
  request->tag = next_tag_++;
  request->flow = db::functions::flow_of(organization_id, {});
  db::functions::organization_is_expired(*request, organization_id);
  under_way_.emplace(request->tag, std::move(event));
  if (!database_.submit(request)) refused_.push_back(request);
}

bool ExpirationCheck::take_reply(db::Request* reply) {
  if (reply->function != &db::functions::organization_is_expired_function) return false;
  const EventPointer event = std::move(under_way_.extract(reply->tag).mapped());
  const bool is_renewed = reply->outcome == db::Outcome::ok &&
                          !reply->rows().boolean(0, db::functions::OrganizationIsExpired::expired);
  database_.release(reply);
  if (!is_renewed) confirmed_(event);
  return true;
}

void ExpirationCheck::retry() {
  for (auto* request : std::exchange(refused_, {})) {
    if (!database_.submit(request)) refused_.push_back(request);
  }
}

}  // namespace parsec::protocol
