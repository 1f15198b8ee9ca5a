// `/health` and `/ready` (app/administration.md §1): for those who restart servers, and those who
// send clients to them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/output_buffer.h"
#include "engine/types.h"
#include "protocol/http/http_request.h"
#include "protocol/http/http_response.h"

namespace parsec::protocol {

struct HealthAnswer {
  bool is_good = false;
  std::string body;  // JSON
};

/// Any thread. Answers from what others have noted, and waits for nobody.
class Health {
 public:
  virtual ~Health() = default;
  virtual HealthAnswer live() const = 0;
  virtual HealthAnswer ready() const = 0;
};

enum class HealthPage { live, ready };
/// Which of them is at that path, if one is.
std::optional<HealthPage> health_page(std::string_view path);

/// The status that was written. The connection goes on as behind Pages::answer.
int answer_health(const Health& health, HealthPage page, engine::OutputBuffer& out,
                  const http::Request& request, std::string_view server, DateTime now);

}  // namespace parsec::protocol
