#include "protocol/types/certificates.h"

#include <sodium.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "protocol/bytes/inflate.h"
#include "protocol/msgpack/msgpack_reader.h"
#include "protocol/types/fields.h"

namespace parsec::protocol {
namespace {

constexpr std::size_t signature_bytes = crypto_sign_BYTES;
constexpr std::size_t max_content_bytes = 1'048'576;  // protocol/3-types.md §3.3
constexpr std::int64_t ballpark_microseconds = std::int64_t{30} * 60 * 1'000'000;

static_assert(sizeof(VerifyKey) == crypto_sign_PUBLICKEYBYTES);

std::array<std::byte, 32> to_key(Bytes bytes) {
  std::array<std::byte, 32> key{};
  std::ranges::copy(bytes.first(std::min(bytes.size(), key.size())), key.begin());
  return key;
}

std::optional<std::string> to_string(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  return std::string{*text};
}

void require_type(Fields& fields, std::string_view type) {
  const auto given = fields.required<field::String>("type");
  if (fields.valid() && given != type) fields.fail("type", "Invalid type.");
}

/// Absent: `is_admin` decides (clients before profiles existed).
Profile read_profile(Fields& fields) {
  const bool is_admin = fields.required<field::Boolean>("is_admin");
  const auto profile = fields.optional_not_null<field::Profile>("profile");
  if (!profile) return is_admin ? Profile::admin : Profile::standard;
  if (is_admin && *profile != Profile::admin) {
    fields.fail("profile", "Fields `profile` and `is_admin` have incompatible values");
  }
  return *profile;
}

// Each reads all fields; what failed is noted in `fields`.

void read(Fields& fields, UserCertificate& certificate) {
  require_type(fields, "user_certificate");
  certificate.author = to_string(fields.required_nullable<field::DeviceId>("author"));
  certificate.timestamp = fields.required<field::DateTime>("timestamp");
  certificate.user_id = fields.required<field::UserId>("user_id");
  if (const auto human = fields.optional<field::HumanHandle>("human_handle")) {
    certificate.human_handle = HumanHandle{std::string{human->email}, std::string{human->label}};
  }
  certificate.public_key = to_key(fields.required<field::Key>("public_key"));
  certificate.profile = read_profile(fields);
}

void read(Fields& fields, DeviceCertificate& certificate) {
  require_type(fields, "device_certificate");
  certificate.author = to_string(fields.required_nullable<field::DeviceId>("author"));
  certificate.timestamp = fields.required<field::DateTime>("timestamp");
  certificate.device_id = fields.required<field::DeviceId>("device_id");
  certificate.device_label = to_string(fields.optional<field::String>("device_label"));
  certificate.verify_key = to_key(fields.required<field::Key>("verify_key"));
}

void read(Fields& fields, RevokedUserCertificate& certificate) {
  require_type(fields, "revoked_user_certificate");
  certificate.author = fields.required<field::DeviceId>("author");
  certificate.timestamp = fields.required<field::DateTime>("timestamp");
  certificate.user_id = fields.required<field::UserId>("user_id");
}

void read(Fields& fields, RealmRoleCertificate& certificate) {
  require_type(fields, "realm_role_certificate");
  certificate.author = fields.required<field::DeviceId>("author");
  certificate.timestamp = fields.required<field::DateTime>("timestamp");
  certificate.realm_id = fields.required<field::Uuid>("realm_id");
  certificate.user_id = fields.required<field::UserId>("user_id");
  certificate.role = fields.required_nullable<field::Role>("role");
}

std::unexpected<CertificateError> fail(std::string detail) {
  return std::unexpected(CertificateError{std::move(detail)});
}

template <typename Certificate>
std::expected<Certificate, CertificateError> load_content(Bytes compressed) {
  const auto content = inflate(compressed, max_content_bytes);
  if (!content) return fail("Invalid or too large compressed content");
  const auto document = msgpack::parse(*content);
  if (!document || document->kind() != msgpack::Kind::map) return fail("Invalid msgpack content");
  Fields fields{*document};
  Certificate certificate{};
  read(fields, certificate);
  if (!fields.valid()) return fail(fields.first_error());
  return certificate;
}

}  // namespace

std::optional<Bytes> verify_signed(Bytes signed_message, const VerifyKey& key) {
  if (signed_message.size() < signature_bytes) return std::nullopt;
  const Bytes message = signed_message.subspan(signature_bytes);
  const auto* bytes = reinterpret_cast<const unsigned char*>(signed_message.data());
  if (crypto_sign_verify_detached(bytes, bytes + signature_bytes, message.size(),
                                  reinterpret_cast<const unsigned char*>(key.data())) != 0) {
    return std::nullopt;
  }
  return message;
}

template <typename Certificate>
std::expected<Certificate, CertificateError> verify_and_load(
    Bytes certificate, const VerifyKey& key, std::optional<std::string_view> expected_author) {
  const auto content = verify_signed(certificate, key);
  if (!content) return fail("Signature was forged or corrupt");
  auto loaded = load_content<Certificate>(*content);
  if (!loaded) return loaded;
  const std::optional<std::string_view> author = loaded->author;
  if (author != expected_author) {
    return fail("Invalid author: expected `" + std::string{expected_author.value_or("<root key>")} +
                "`, got `" + std::string{author.value_or("None")} + "`");
  }
  return loaded;
}

template <typename Certificate>
std::expected<Certificate, CertificateError> unverified_load(Bytes certificate) {
  if (certificate.size() < signature_bytes) return fail("No signature");
  return load_content<Certificate>(certificate.subspan(signature_bytes));
}

template std::expected<UserCertificate, CertificateError> verify_and_load(
    Bytes, const VerifyKey&, std::optional<std::string_view>);
template std::expected<DeviceCertificate, CertificateError> verify_and_load(
    Bytes, const VerifyKey&, std::optional<std::string_view>);
template std::expected<RevokedUserCertificate, CertificateError> verify_and_load(
    Bytes, const VerifyKey&, std::optional<std::string_view>);
template std::expected<RealmRoleCertificate, CertificateError> verify_and_load(
    Bytes, const VerifyKey&, std::optional<std::string_view>);

template std::expected<UserCertificate, CertificateError> unverified_load(Bytes);
template std::expected<DeviceCertificate, CertificateError> unverified_load(Bytes);
template std::expected<RevokedUserCertificate, CertificateError> unverified_load(Bytes);
template std::expected<RealmRoleCertificate, CertificateError> unverified_load(Bytes);

bool same_but_redacted(const UserCertificate& plain, const UserCertificate& redacted) {
  return plain.author == redacted.author && plain.timestamp == redacted.timestamp &&
         plain.user_id == redacted.user_id && plain.public_key == redacted.public_key &&
         plain.profile == redacted.profile;
}

bool same_but_redacted(const DeviceCertificate& plain, const DeviceCertificate& redacted) {
  return plain.author == redacted.author && plain.timestamp == redacted.timestamp &&
         plain.device_id == redacted.device_id && plain.verify_key == redacted.verify_key;
}

bool in_the_ballpark(DateTime timestamp, DateTime now) {
  const std::int64_t distance = timestamp.microseconds - now.microseconds;
  return distance > -ballpark_microseconds && distance < ballpark_microseconds;
}

}  // namespace parsec::protocol
