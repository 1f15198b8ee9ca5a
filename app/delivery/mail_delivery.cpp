#include "app/delivery/mail_delivery.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include "app/delivery/hello_name.h"
#include "engine/host/log.h"
#include "protocol/bytes/random.h"

namespace parsec::app {
namespace {

DateTime now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

/// This machine's own; on the queue's thread alone. Found once; as long as it is an address only
/// (a resolver that is down, at boot) looked for again.
const std::string& own_hello_name() {
  static std::string name;
  if (name.empty() || name.starts_with('[')) name = find_hello_name();
  return name;
}

/// libcurl takes the name of EHLO from the URL's path. Of what is_hello_name() allows only these
/// three must be escaped.
std::string escaped(std::string_view hello_name) {
  std::string text;
  for (const char c : hello_name) {
    text += c == '[' ? "%5B" : c == ']' ? "%5D" : c == ':' ? "%3A" : std::string{c};
  }
  return text;
}

std::string base64(std::string_view text) {
  std::string encoded(text.size() / 3 * 4 + 5, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return encoded;
}

/// Whether it was written, all of it; else errno tells why not. For this user's eyes only: mails
/// hold tokens.
bool write_file(const std::filesystem::path& path, std::string_view content) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return false;
  // Once: whoever looks sees an empty file or the whole mail.
  const auto written = ::write(file, content.data(), content.size());
  ::close(file);
  return written == static_cast<ssize_t>(content.size());
}

std::filesystem::path new_file_name() {
  std::error_code error;
  auto directory = std::filesystem::temp_directory_path(error);
  if (error) directory = "/tmp";
  return directory / ("parsec-mail-" + protocol::unique_id() + ".eml");
}

}  // namespace

const protocol::MailMessage* InvitationTransfer::message() {
  if (!message_) {
    auto composed = protocol::compose(invitation_, origin_, now(), protocol::unique_id());
    if (!composed) {
      report_failure(composed.error());
      return nullptr;
    }
    message_ = std::move(*composed);
  }
  return &*message_;
}

void InvitationTransfer::report_failure(std::string_view why) const {
  if (counts_ != nullptr) ++counts_->failed;
  log::error("Mail not sent", "the invitation mail of {} in {} was not sent: {}",
             log::field("greeter_user_id", invitation_.greeter_user_id),
             log::field("organization_id", invitation_.organization_id), log::field("reason", why));
}

void InvitationTransfer::report_waiting(std::string_view why) const {
  log::warn("Mail has to wait", "an invitation mail has to wait: {}", log::field("reason", why),
            log::field("greeter_user_id", invitation_.greeter_user_id),
            log::field("organization_id", invitation_.organization_id));
}

void InvitationTransfer::report_success() const {
  if (counts_ != nullptr) ++counts_->delivered;
  log::info("Mail sent", "an invitation mail of {} in {} was sent",
            log::field("greeter_user_id", invitation_.greeter_user_id),
            log::field("organization_id", invitation_.organization_id));
}

void SmtpReply::add_line(std::string_view line) {
  constexpr std::size_t most_bytes = 1024;
  if (line.starts_with("221")) return;  // a goodbye explains nothing
  if (std::exchange(complete_, true)) text_.clear();
  complete_ = line.size() < 4 || line[3] != '-';  // RFC 5321 §4.2.1
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (text_.size() >= most_bytes) return;
  if (!text_.empty()) text_ += " / ";
  for (const char c : line) {
    if (text_.size() >= most_bytes) return;
    text_ += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
}

std::string SmtpReply::text(std::initializer_list<std::string> secrets) const {
  std::string text = text_;
  for (const std::string& secret : secrets) {
    if (secret.empty()) continue;
    for (auto at = text.find(secret); at != text.npos; at = text.find(secret, at)) {
      text.replace(at, secret.size(), "***");
      at += 3;
    }
  }
  return text;
}

std::string MailDelivery::url() const {
  const bool bare_ipv6 = server_.host.contains(':') && !server_.host.starts_with('[');
  return (server_.security == SmtpServer::Security::tls ? "smtps://" : "smtp://") +
         (bare_ipv6 ? "[" + server_.host + "]" : server_.host) + ":" +
         std::to_string(server_.port) + "/" +
         escaped(server_.hello_name.empty() ? own_hello_name() : server_.hello_name);
}

bool MailDelivery::prepare(CURL* handle) {
  const protocol::MailMessage* mail = message();
  if (mail == nullptr) return false;
  ++tries_;
  unread_ = mail->content;
  handed_over_ = false;
  reply_ = {};
  if (recipients_ == nullptr) recipients_ = curl_slist_append(nullptr, mail->recipient.c_str());

  curl_easy_setopt(handle, CURLOPT_URL, url().c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  if (server_.security == SmtpServer::Security::starttls) {
    curl_easy_setopt(handle, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
  }
  if (!server_.user.empty()) {
    curl_easy_setopt(handle, CURLOPT_USERNAME, server_.user.c_str());
    curl_easy_setopt(handle, CURLOPT_PASSWORD, server_.password.c_str());
  }
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   std::min<long>(15'000, static_cast<long>(server_.timeout.count())));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(server_.timeout.count()));
  curl_easy_setopt(handle, CURLOPT_MAIL_FROM, mail->sender.c_str());
  curl_easy_setopt(handle, CURLOPT_MAIL_RCPT, recipients_);
  curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(handle, CURLOPT_READFUNCTION, &MailDelivery::read);
  curl_easy_setopt(handle, CURLOPT_READDATA, this);
  curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, &MailDelivery::seek);
  curl_easy_setopt(handle, CURLOPT_SEEKDATA, this);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &MailDelivery::hear);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  return true;
}

std::optional<std::chrono::milliseconds> MailDelivery::ended(CURL* handle, CURLcode result,
                                                             std::string_view error) {
  if (result == CURLE_OK) {
    report_success();
    return std::nullopt;
  }
  long reply = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &reply);
  const std::string why = explain(error, reply);
  if (!may_be_repeated(result, reply) || tries_ > server_.pauses.size()) {
    report_failure(why);
    return std::nullopt;
  }
  report_waiting(why);
  return server_.pauses[tries_ - 1];
}

/// Servers quote what they refuse: a command with the login in it, a link of the mail.
std::string MailDelivery::explain(std::string_view error, long reply) const {
  if (reply == 0) return std::string{error};
  const std::string login = std::string{'\0'} + server_.user + '\0' + server_.password;
  const std::string said =
      server_.password.empty()
          ? reply_.text({token()})
          : reply_.text({token(), server_.password, base64(login), base64(server_.password)});
  return std::string{error} + ", last reply " + (said.empty() ? std::to_string(reply) : said);
}

/// Nothing was delivered for certain, and it may be otherwise next time (RFC 5321 §4.2.1: 4yz).
bool MailDelivery::may_be_repeated(CURLcode result, long reply) const {
  switch (result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
      return false;
    case CURLE_USE_SSL_FAILED:  // no STARTTLS, or not now (454, RFC 3207 §4)
      return reply >= 400 && reply < 500;
    default:
      return reply < 500 && (reply >= 400 || !handed_over_);
  }
}

std::size_t MailDelivery::read(char* buffer, std::size_t size, std::size_t count, void* self) {
  auto& delivery = *static_cast<MailDelivery*>(self);
  const std::size_t taken = std::min(size * count, delivery.unread_.size());
  std::memcpy(buffer, delivery.unread_.data(), taken);
  delivery.unread_.remove_prefix(taken);
  delivery.handed_over_ = true;
  return taken;
}

std::size_t MailDelivery::hear(char* line, std::size_t size, std::size_t count, void* self) {
  static_cast<MailDelivery*>(self)->reply_.add_line({line, size * count});
  return size * count;
}

int MailDelivery::seek(void* self, curl_off_t offset, int origin) {
  auto& delivery = *static_cast<MailDelivery*>(self);
  const std::string_view content = delivery.message()->content;
  if (origin != SEEK_SET || offset < 0 || static_cast<std::size_t>(offset) > content.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  delivery.unread_ = content.substr(static_cast<std::size_t>(offset));
  return CURL_SEEKFUNC_OK;
}

bool MailFile::prepare(CURL*) {
  const protocol::MailMessage* mail = message();
  if (mail == nullptr) return false;
  const auto path = new_file_name();
  if (!write_file(path, mail->content)) {
    report_failure(std::string{"no file for it: "} + std::strerror(errno));
    return false;
  }
  std::fprintf(stderr, "A mail to %s was written to %s\n", mail->recipient.c_str(), path.c_str());
  report_success();
  return false;
}

}  // namespace parsec::app
