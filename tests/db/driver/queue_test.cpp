#include "db/driver/queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace parsec::db {
namespace {

TEST(Queue, BehavesAsADeque) {
  Queue<int> queue{2};
  std::deque<int> model;
  std::minstd_rand random{42};
  for (int step = 0; step < 20000; ++step) {
    const auto action = random() % 16;
    if (action < 6) {
      queue.push_back(step);
      model.push_back(step);
    } else if (action < 9) {
      queue.push_front(step);
      model.push_front(step);
    } else if (action < 15) {
      if (model.empty()) continue;
      ASSERT_EQ(queue.pop_front(), model.front());
      model.pop_front();
    } else {
      const auto odd = [](int value) { return value % 2 != 0; };
      queue.extract_if(odd);
      std::erase_if(model, odd);
    }
    ASSERT_EQ(queue.size(), model.size());
    for (std::size_t i = 0; i < model.size(); ++i) ASSERT_EQ(queue[i], model[i]);
  }
}

}  // namespace
}  // namespace parsec::db
