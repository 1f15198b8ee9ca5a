// The text of a scrape, to the letter, in both formats.
#include "engine/metrics/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parsec::engine {
namespace {

using namespace std::chrono_literals;
using Format = Exposition::Format;
using ::testing::HasSubstr;

constexpr Metric requests{.name = "x_requests_total",
                          .type = MetricType::counter,
                          .help = "Requests, \"answered\" \\ ones\nonly.",
                          .labels = {"command", "status"}};
constexpr Metric up{.name = "x_up", .type = MetricType::gauge, .help = "Whether it is."};
constexpr Metric wait{.name = "x_wait_seconds",
                      .type = MetricType::histogram,
                      .help = "Waiting.",
                      .labels = {"lane"}};

std::string written(Format format) {
  Exposition text{format};
  text.begin(requests);
  text.sample({"ping", "ok"}, std::uint64_t{7});
  text.sample({"a\"b\\c\nd", ""}, std::uint64_t{18'446'744'073'709'551'615u});
  text.begin(up);
  text.sample({}, 0.5);
  return text.finish();
}

TEST(Exposition, TextFormat) {
  EXPECT_EQ(written(Format::text),
            "# HELP x_requests_total Requests, \"answered\" \\\\ ones\\nonly.\n"
            "# TYPE x_requests_total counter\n"
            "x_requests_total{command=\"ping\",status=\"ok\"} 7\n"
            "x_requests_total{command=\"a\\\"b\\\\c\\nd\",status=\"\"} 18446744073709551615\n"
            "# HELP x_up Whether it is.\n"
            "# TYPE x_up gauge\n"
            "x_up 0.5\n");
}

TEST(Exposition, OpenMetrics) {
  EXPECT_EQ(written(Format::openmetrics),
            "# HELP x_requests Requests, \\\"answered\\\" \\\\ ones\\nonly.\n"
            "# TYPE x_requests counter\n"
            "x_requests_total{command=\"ping\",status=\"ok\"} 7\n"
            "x_requests_total{command=\"a\\\"b\\\\c\\nd\",status=\"\"} 18446744073709551615\n"
            "# HELP x_up Whether it is.\n"
            "# TYPE x_up gauge\n"
            "x_up 0.5\n"
            "# EOF\n");
}

TEST(Exposition, BucketsAreCumulativeAndEndWithInfinity) {
  DurationHistogram histogram;
  histogram.record(100us);
  histogram.record(2ms);
  histogram.record(20s);
  Exposition text{Format::text};
  text.begin(wait);
  text.sample({"0.1"}, histogram.sums());
  const std::string all = text.finish();
  EXPECT_THAT(all, HasSubstr("# TYPE x_wait_seconds histogram\n"
                             "x_wait_seconds_bucket{lane=\"0.1\",le=\"0.0005\"} 1\n"
                             "x_wait_seconds_bucket{lane=\"0.1\",le=\"0.001\"} 1\n"
                             "x_wait_seconds_bucket{lane=\"0.1\",le=\"0.0025\"} 2\n"));
  EXPECT_THAT(all, HasSubstr("x_wait_seconds_bucket{lane=\"0.1\",le=\"1.0\"} 2\n"));
  EXPECT_THAT(all, HasSubstr("x_wait_seconds_bucket{lane=\"0.1\",le=\"10.0\"} 2\n"
                             "x_wait_seconds_bucket{lane=\"0.1\",le=\"+Inf\"} 3\n"
                             "x_wait_seconds_sum{lane=\"0.1\"} 20.0021\n"
                             "x_wait_seconds_count{lane=\"0.1\"} 3\n"));
}

TEST(Exposition, WritesFloatingPointNumbersSoThatBothFormatsReadThem) {
  Exposition text{Format::openmetrics};
  text.begin(up);
  text.sample({}, 3.0);
  text.sample({}, 1e30);
  text.sample({}, 1.0 / 0.0);
  EXPECT_THAT(text.finish(), HasSubstr("x_up 3.0\nx_up 1e+30\nx_up +Inf\n# EOF\n"));
}

TEST(Exposition, AcceptDecidesOnTheFormat) {
  const auto wants = [](std::string_view accept) { return Exposition::format_for(accept); };
  EXPECT_EQ(wants(""), Format::text);
  EXPECT_EQ(wants("*/*"), Format::text);
  EXPECT_EQ(wants("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), Format::text);
  EXPECT_EQ(wants("application/openmetrics-text"), Format::openmetrics);
  // Prometheus 2 and 3
  EXPECT_EQ(
      wants("application/openmetrics-text;version=1.0.0;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3"),
      Format::openmetrics);
  EXPECT_EQ(wants("text/plain;q=0.3, Application/OpenMetrics-Text ; Version=1.0.0 ; q=1"),
            Format::openmetrics);
  EXPECT_EQ(wants("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6"),
            Format::openmetrics);
  EXPECT_EQ(wants("application/openmetrics-text;version=0.0.1"), Format::text);
  EXPECT_EQ(wants("application/openmetrics-text;version=1.0.0;q=0.000"), Format::text);
  EXPECT_EQ(wants("application/openmetrics-textual"), Format::text);
}

}  // namespace
}  // namespace parsec::engine
