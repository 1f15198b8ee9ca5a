#include "protocol/http/http_response.h"

#include <fmt/format.h>

#include <chrono>

#include "protocol/websocket/websocket.h"

namespace parsec::http {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 426:
      return "Upgrade Required";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

std::string date_text(DateTime time) {
  static constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_time<std::chrono::microseconds> point{
      std::chrono::microseconds{time.microseconds}};
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(point - day)};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     days[std::chrono::weekday{day}.c_encoding()],
                     static_cast<unsigned>(date.day()),
                     months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

void write_response(engine::OutputBuffer& out, const Response& response,
                    const ResponseOptions& options) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\ndate: {}\r\nserver: {}\r\n", response.status,
                  reason_phrase(response.status), date_text(options.now), options.server);
  if (!response.content_type.empty())
    head += fmt::format("content-type: {}\r\n", response.content_type);
  head += fmt::format("content-length: {}\r\n", response.body.size());
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  head += options.keep_alive ? "connection: keep-alive\r\n\r\n" : "connection: close\r\n\r\n";
  out.append(head);
  if (!options.without_body) out.append(response.body);
}

void write_upgrade(engine::OutputBuffer& out, std::string_view websocket_key) {
  out.append("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n");
  out.append("sec-websocket-accept: ");
  out.append(websocket::accept_key(websocket_key));
  out.append("\r\n\r\n");
}

}  // namespace parsec::http
