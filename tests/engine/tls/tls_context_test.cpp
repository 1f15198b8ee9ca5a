// Certificate and key: what is taken, what is refused and in which words, and what renewing
// changes.
#include "engine/tls/tls_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <ctime>
#include <filesystem>

#include "tests/support/tls_certificate.h"

namespace parsec::engine {
namespace {

using ::testing::HasSubstr;
using testing::TlsCertificate;

/// Empty: the files are taken.
std::string refusal(const std::string& certificate, const std::string& key) {
  const auto context = TlsContext::load({certificate, key});
  return context ? "" : context.error();
}

TEST(TlsContext, TakesEveryKindOfKey) {
  for (const auto kind : {TlsCertificate::Kind::p256, TlsCertificate::Kind::rsa2048}) {
    const TlsCertificate files{"IP:127.0.0.1", kind};
    const auto context = TlsContext::load({files.certificate(), files.key()});
    ASSERT_TRUE(context) << context.error();
    EXPECT_TRUE((*context)->new_connection());
  }
}

TEST(TlsContext, SaysWhatIsWrong) {
  const TlsCertificate files, others;
  const TlsCertificate rsa{"IP:127.0.0.1", TlsCertificate::Kind::rsa2048};
  const std::string missing = files.certificate() + ".missing";
  const std::string directory = std::filesystem::path{files.certificate()}.parent_path();
  EXPECT_THAT(refusal(missing, files.key()), HasSubstr(missing + "` cannot be used: No such file"));
  EXPECT_THAT(refusal(files.certificate(), missing),
              HasSubstr(missing + "` cannot be used: No such file"));
  EXPECT_THAT(refusal(directory, files.key()), HasSubstr("certificate `" + directory));
  EXPECT_THAT(refusal(files.certificate(), directory), HasSubstr("key `" + directory));
  EXPECT_THAT(refusal(files.key(), files.key()), HasSubstr("cannot be used: no start line"));
  EXPECT_THAT(refusal(files.certificate(), files.certificate()), HasSubstr("cannot be used: "));
  EXPECT_THAT(refusal(files.certificate(), files.key_with_passphrase()),
              HasSubstr("is encrypted: the server needs it without a passphrase"));
  for (const TlsCertificate* other : {&others, &rsa}) {
    EXPECT_THAT(refusal(files.certificate(), other->key()),
                HasSubstr("does not belong to the certificate `" + files.certificate()));
  }
}

TEST(TlsContext, TellsWhenItsCertificateEnds) {
  const TlsCertificate files;
  const auto context = TlsContext::load({files.certificate(), files.key()});
  ASSERT_TRUE(context);
  const TlsPointer connection = (*context)->new_connection();
  const ASN1_TIME* end = X509_get0_notAfter(SSL_get_certificate(connection.get()));
  std::tm time{};
  ASSERT_EQ(ASN1_TIME_to_tm(end, &time), 1);
  EXPECT_EQ((*context)->not_after(), ::timegm(&time));
  EXPECT_GT((*context)->not_after(), std::time(nullptr));
}

TEST(TlsContext, WhatIsWrongDoesNotReplaceWhatIsThere) {
  const TlsCertificate files;
  const auto context = TlsContext::load({files.certificate(), files.key()});
  ASSERT_TRUE(context);
  EXPECT_TRUE((*context)->reload());
  files.spoil();
  const auto renewed = (*context)->reload();
  ASSERT_FALSE(renewed);
  EXPECT_THAT(renewed.error(), HasSubstr(files.certificate()));
  EXPECT_TRUE((*context)->new_connection());
}

}  // namespace
}  // namespace parsec::engine
