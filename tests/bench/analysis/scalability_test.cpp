#include "bench/analysis/scalability.h"

#include <gtest/gtest.h>

#include <vector>

namespace parsec::bench {
namespace {

std::vector<ScalePoint> series(const ScalabilityLaw& law, std::initializer_list<double> counts) {
  std::vector<ScalePoint> points;
  for (const double count : counts) points.push_back({count, law.capacity_at(count)});
  return points;
}

TEST(Scalability, FindsTheLawThatMadeThePoints) {
  const ScalabilityLaw laws[] = {
      {.lambda = 1000, .sigma = 0.05, .kappa = 0.001},
      {.lambda = 12, .sigma = 0.3, .kappa = 0},
      {.lambda = 5e5, .sigma = 0, .kappa = 0.01},
      {.lambda = 80, .sigma = 0, .kappa = 0},
  };
  for (const ScalabilityLaw& law : laws) {
    const auto found = fit_scalability(series(law, {1, 2, 4, 8, 16}));
    ASSERT_TRUE(found) << found.error();
    EXPECT_NEAR(found->lambda / law.lambda, 1, 1e-6);
    EXPECT_NEAR(found->sigma, law.sigma, 1e-6);
    EXPECT_NEAR(found->kappa, law.kappa, 1e-6);
    EXPECT_NEAR(found->r_squared, 1, 1e-6);
  }
}

TEST(Scalability, BetterThanLinearIsTakenForLinear) {
  const ScalePoint points[] = {{1, 100}, {2, 210}, {4, 440}};
  const auto law = fit_scalability(points);
  ASSERT_TRUE(law);
  EXPECT_EQ(law->sigma, 0);
  EXPECT_EQ(law->kappa, 0);
  EXPECT_NEAR(law->lambda, 105, 6);
}

TEST(Scalability, NoiseLowersWhatIsExplained) {
  const ScalePoint points[] = {{1, 100}, {2, 120}, {3, 290}, {4, 200}, {6, 400}};
  const auto law = fit_scalability(points);
  ASSERT_TRUE(law);
  EXPECT_LT(law->r_squared, 0.95);
  EXPECT_GT(law->r_squared, 0.3);
}

TEST(Scalability, SaysNothingBeyondTwiceWhatWasMeasured) {
  const auto law =
      fit_scalability(series({.lambda = 10, .sigma = 0.1, .kappa = 0.01}, {1, 2, 3, 4}));
  ASSERT_TRUE(law);
  EXPECT_TRUE(law->predict(8));
  EXPECT_FALSE(law->predict(8.1));
  ASSERT_TRUE(law->peak());
  EXPECT_NEAR(*law->peak(), 9.4868, 1e-3);  // sqrt((1 - sigma) / kappa)
}

TEST(Scalability, TooFewOrSenselessPointsAreRefused) {
  const ScalePoint two[] = {{1, 10}, {2, 19}, {2, 20}};
  EXPECT_EQ(fit_scalability(two).error(), "a scaling series needs at least three different counts");
  const ScalePoint senseless[] = {{1, 10}, {2, 0}, {3, 5}};
  EXPECT_FALSE(fit_scalability(senseless));
  EXPECT_FALSE(fit_scalability({}));
}

}  // namespace
}  // namespace parsec::bench
