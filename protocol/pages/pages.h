// What the port says to browsers and mail programs (app/server.md §2): the front page and its
// assets, redirections to parsec:// links, and "not found".
//
// A function of the request and the configuration. Constant once made: shared by all shards.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/output_buffer.h"
#include "engine/types.h"
#include "protocol/http/http_request.h"
#include "protocol/http/http_response.h"
#include "protocol/types/address.h"

namespace parsec::protocol {

class Pages {
 public:
  /// server: what the header of that name says. Without an address there is nothing to redirect to.
  Pages(std::optional<BackendAddress> backend_address, std::string server)
      : backend_address_(std::move(backend_address)), server_(std::move(server)) {}

  /// Answers a request that is no valid upgrade. The connection ends behind the answer unless
  /// request.keep_alive; otherwise request.content_length bytes are to be skipped.
  /// Returns the status.
  int answer(engine::OutputBuffer& out, const http::Request& request, DateTime now) const;

  /// Leads a request that came over plain HTTP to the same place over https. The connection goes on
  /// as behind answer().
  void redirect_to_https(engine::OutputBuffer& out, const http::Request& request,
                         DateTime now) const;

  /// Refuses what is no valid request (400, 426, 431). The connection ends behind it.
  void refuse(engine::OutputBuffer& out, int status, DateTime now) const;

  /// The answer to the request itself, as GET.
  http::Response respond(const http::Request& request) const;

 private:
  std::string https_location(const http::Request& request) const;
  http::Response redirect(std::string_view path, std::string_view query) const;

  std::optional<BackendAddress> backend_address_;
  std::string server_;
};

}  // namespace parsec::protocol
