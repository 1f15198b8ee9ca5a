#include "app/core/core_organization.h"

#include <cstdio>
#include <string>
#include <string_view>

#include "app/core/client.h"

namespace parsec::app {
namespace {

using Kind = OrganizationCommand::Kind;

std::string_view wire_name(Kind kind) {
  switch (kind) {
    case Kind::create:
      return "organization_create";
    case Kind::stats:
      return "organization_stats";
    case Kind::status:
      return "organization_status";
  }
  return {};
}

/// Booleans and null as scripts around the existing command line know them.
std::string text_of(msgpack::Value value) {
  switch (value.kind()) {
    case msgpack::Kind::nil:
      return "None";
    case msgpack::Kind::boolean:
      return value.boolean() ? "True" : "False";
    case msgpack::Kind::integer:
      return std::to_string(value.integer());
    case msgpack::Kind::datetime:
      return value.datetime().text();
    case msgpack::Kind::str:
      return std::string{value.str()};
    default:
      return "?";
  }
}

void write_request(const OrganizationCommand& command, msgpack::Writer& request) {
  request.map(command.expiration_date ? 3 : 2);
  request.str("cmd");
  request.str(wire_name(command.kind));
  request.str("organization_id");
  request.str(command.organization_id);
  if (command.expiration_date) {
    request.str("expiration_date");
    request.datetime(*command.expiration_date);
  }
}

std::string refusal_text(const OrganizationCommand& command, const Document& reply) {
  const std::string status = reply.text("status");
  const std::string subject = "Organization `" + command.organization_id + "`";
  if (status == "already_exists") return subject + " already exists";
  if (status == "not_found") return subject + " not found";
  const std::string reason = reply.text("reason");
  return "The server refused: " + status + (reason.empty() ? "" : " (" + reason + ")");
}

void print(const OrganizationCommand& command, const Document& reply) {
  if (command.kind == Kind::create) {
    const std::string link =
        command.address.bootstrap_link(command.organization_id, reply.text("bootstrap_token"));
    std::printf("Bootstrap organization url: %s\n", link.c_str());
    return;
  }
  auto entries = reply.value.entries();
  while (const auto entry = entries.next()) {
    if (entry->key.kind() != msgpack::Kind::str || entry->key.str() == "status") continue;
    std::printf("%s: %s\n", std::string{entry->key.str()}.c_str(), text_of(entry->value).c_str());
  }
}

int fail(const std::string& why) {
  std::fprintf(stderr, "Error: %s.\n", why.c_str());
  return 1;
}

}  // namespace

int run_organization_command(const OrganizationCommand& command) {
  auto client = Client::open(command.address, command.administration_token);
  if (!client) return fail(client.error());
  const auto reply =
      client->call([&](msgpack::Writer& request) { write_request(command, request); });
  if (!reply) return fail(reply.error());
  if (reply->text("status") != "ok") return fail(refusal_text(command, *reply));
  print(command, *reply);
  return 0;
}

}  // namespace parsec::app
